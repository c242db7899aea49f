// Package remote keeps one SSH connection per node: it runs scripts there and dials through it.
//
// It honours what people have in ssh_config, known_hosts and ssh-agent, so that a node that `ssh NAME` reaches is reached here too.
// Names are looked up in ssh_config, and after the address in known_hosts, under the node's name and its address alike; HostName in
// ssh_config wins over the inventory's address. For user and port the inventory wins over rollpin.yaml, and that over ssh_config.
package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
)

// Options say how nodes are reached.
type Options struct {
	SSH config.SSH
	// BecomePassword is sudo's password; empty where none is needed.
	BecomePassword string
	// Ask asks a person for a passphrase; nil where there is no terminal. It is called for one key at a time, once per key.
	Ask func(prompt string) (string, error)
	// Home and Getenv replace the user's home directory and os.Getenv.
	Home   string
	Getenv func(string) string
}

// Dialer makes nodes that share the ssh_config, the agent, the keys, known_hosts and the connections to jump hosts.
type Dialer struct {
	options   Options
	home      string
	localUser string
	getenv    func(string) string
	config    sshConfig
	become    string // the user to become, or ""
	keys      *keyStore
	hosts     *knownHosts

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	links []*link
	jumps map[string]*link
}

// New reads ssh_config; it connects to nothing.
func New(options Options) (*Dialer, error) {
	d := &Dialer{options: options, getenv: options.Getenv, home: options.Home, jumps: map[string]*link{}, hosts: newKnownHosts()}
	if d.getenv == nil {
		d.getenv = os.Getenv
	}
	if d.home == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("finding the home directory for SSH: %w", err)
		}
		d.home = home
	}
	d.localUser = cmp.Or(d.getenv("USER"), d.getenv("LOGNAME"), d.getenv("USERNAME"))
	if current, err := user.Current(); err == nil {
		d.localUser = current.Username[strings.LastIndexByte(current.Username, '\\')+1:] // DOMAIN\user on Windows
	}
	var err error
	if d.become, err = becomeUser(options.SSH); err != nil {
		return nil, err
	}
	if d.config, err = readSSHConfig(options.SSH.ConfigFile, d.home, "/etc/ssh/ssh_config"); err != nil {
		return nil, err
	}
	d.keys = newKeyStore(options.Ask)
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

// Node returns the way to n. Nothing happens on the network until it is used.
func (d *Dialer) Node(n inventory.Node) *Node {
	address := cmp.Or(n.Address, n.Name)
	q := query{name: cmp.Or(n.Name, address), address: strings.Trim(address, "[]"), user: cmp.Or(n.User, d.options.SSH.User)}
	node := &Node{name: q.name, dialer: d}
	to, err := d.endpoint(q, cmp.Or(n.Port, d.options.SSH.Port), false)
	var via *link
	if err == nil {
		via, err = d.route(to.jumps, []string{to.address()})
	}
	if err != nil {
		node.err = fmt.Errorf("%s: %w", node.name, err)
	}
	node.link = &link{dialer: d, to: to, via: via}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.links = append(d.links, node.link)
	return node
}

// Close ends all connections and forgets all keys. Scripts that still run lose their connection.
func (d *Dialer) Close() error {
	d.mu.Lock()
	d.cancel()
	links := slices.Clone(d.links)
	d.mu.Unlock()
	for _, l := range links {
		l.close()
	}
	d.keys.close()
	d.running.Wait()
	return nil
}

// start runs f in the background, unless the dialer is closed; Close waits for it.
func (d *Dialer) start(f func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return false
	}
	d.running.Go(f)
	return true
}

var errClosed = errors.New("the SSH dialer is closed")
