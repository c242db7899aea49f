//go:build unix

package fleettest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// ServicePort is the port that every service of a fleet is configured with. Through a node's SSH it leads to the port that is the node's own.
const ServicePort = 8080

// Node is one in-process host: an SSH server, a home directory, and service managers.
type Node struct {
	Name string
	// Home is the home directory of the user who logs in; Home/bin comes first in PATH, and Home/tmp is TMPDIR.
	Home string
	// Port is where a service with ServicePort really listens: its PORT.
	Port int
	// SSH is the node's server. RemoveTool replaces it.
	SSH *SSHServer

	run      string // what the node needs beside its home: named pipes, links to tools
	mu       sync.Mutex
	path     string // PATH after Home/bin; mu guards it
	key      ssh.PublicKey
	ports    ports
	journal  *journal
	services services
	door     *door
}

func startNode(dir, name string, key ssh.PublicKey) (*Node, error) {
	n := &Node{
		Name:    name,
		Home:    filepath.Join(dir, "nodes", name),
		run:     filepath.Join(dir, "run", name),
		path:    os.Getenv("PATH"),
		key:     key,
		journal: &journal{host: name},
	}
	if err := n.start(); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *Node) start() error {
	for _, dir := range []string{filepath.Join(n.Home, "bin"), filepath.Join(n.Home, "tmp"), filepath.Join(n.run, "root")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	var err error
	if n.Port, err = n.ports.open(ServicePort); err != nil {
		return err
	}
	if n.door, err = openDoor(n); err != nil {
		return err
	}
	return n.listen(nil)
}

// listen starts the SSH server, always at the same port; without a host key it makes a new one.
func (n *Node) listen(hostKey ssh.Signer) error {
	port, err := n.ports.open(22)
	if err != nil {
		return err
	}
	config := SSHConfig{
		HostKey:    hostKey,
		Authorized: []ssh.PublicKey{n.key},
		Environ:    n.environ(n.Port),
		Dir:        n.Home,
		Dial:       n.dial,
		Listen:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
	}
	server, err := ListenSSH(config)
	// A process that was just forked holds the closed listener of the server before this one until it execs.
	for deadline := time.Now().Add(5 * time.Second); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
		server, err = ListenSSH(config)
	}
	if err != nil {
		return err
	}
	n.SSH = server
	return nil
}

func (n *Node) close() error {
	var errs []error
	if n.SSH != nil {
		errs = append(errs, n.SSH.Close())
	}
	if n.door != nil {
		errs = append(errs, n.door.close())
	}
	n.services.close()
	n.ports.close()
	return errors.Join(append(errs, os.RemoveAll(n.run))...)
}

// environ is the whole environment of a log-in and of a service: nothing of this process's but PATH.
func (n *Node) environ(port int) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return []string{
		"HOME=" + n.Home,
		"PATH=" + filepath.Join(n.Home, "bin") + ":" + n.path,
		"USER=" + User,
		"LOGNAME=" + User,
		"LANG=C.UTF-8",
		"TMPDIR=" + filepath.Join(n.Home, "tmp"),
		"SVDIR=" + filepath.Join(n.Home, "service"),
		"PORT=" + strconv.Itoa(port),
	}
}

// dial is how the node sees itself: the ports of its services lead to their real ones, and nothing but loopback can be reached.
func (n *Node) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("dialling %s: %w", address, os.ErrPermission)
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		return nil, err
	}
	if real, ok := n.ports.lookup(port); ok {
		host, port = "127.0.0.1", real
	}
	return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(host, strconv.Itoa(port)))
}

// SetSudo says what sudo asks for on this node: a password unless it is empty, and a terminal. By default it asks for neither.
func (n *Node) SetSudo(password string, needsTTY bool) error {
	settings := map[string]bool{"sudo.password": password != "", "sudo.tty": needsTTY}
	for name, on := range settings {
		file := filepath.Join(n.run, name)
		err := os.Remove(file)
		if on {
			err = os.WriteFile(file, []byte(password+"\n"), 0o600)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("setting up sudo: %w", err)
		}
	}
	return nil
}

// RemoveTool makes programs of these exact names invisible on the node. The SSH server starts anew at its address: open connections are cut.
func (n *Node) RemoveTool(names ...string) error {
	tools := filepath.Join(n.run, "tools")
	if err := linkTools(tools, n.path, names); err != nil {
		return fmt.Errorf("removing %s: %w", strings.Join(names, ", "), err)
	}
	for _, name := range names {
		for _, dir := range []string{tools, filepath.Join(n.Home, "bin")} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	n.setPath(tools)
	if err := n.SSH.Close(); err != nil {
		return err
	}
	return n.listen(n.SSH.config.HostKey)
}

func (n *Node) setPath(path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.path = path
}

// linkTools fills dir with links to the programs of path, the first of each name, but not to those in without.
func linkTools(dir, path string, without []string) error {
	if dir == path {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, from := range filepath.SplitList(path) {
		entries, err := os.ReadDir(from)
		if err != nil {
			continue // a PATH may name what does not exist
		}
		for _, entry := range entries {
			if slices.Contains(without, entry.Name()) {
				continue
			}
			err := os.Symlink(filepath.Join(from, entry.Name()), filepath.Join(dir, entry.Name()))
			if err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
		}
	}
	return nil
}
