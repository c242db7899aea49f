//go:build unix

package fleettest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// User is who logs in to the nodes of a fleet.
const User = "deploy"

// Options say what fleet to start.
type Options struct {
	// Dir is an absolute directory for everything that the fleet writes. Nothing is left outside of it.
	Dir string
	// Names are the names of the nodes.
	Names []string
	// Environment and Role are what the inventory says of every node; production and api by default. Role may be a comma-separated list.
	Environment, Role string
	// Zones are given to the nodes in turn; none by default.
	Zones []string
}

// Fleet is a set of in-process nodes, and the files that a user needs to reach them.
type Fleet struct {
	Nodes []*Node
	// KeyFile is the private key that may log in, KnownHosts the nodes' host keys, InventoryFile their inventory as JSON.
	KeyFile, KnownHosts, InventoryFile string
}

// Start starts a fleet; Close ends it.
func Start(o Options) (*Fleet, error) {
	if !filepath.IsAbs(o.Dir) {
		return nil, fmt.Errorf("starting a fleet: %q is no absolute directory", o.Dir)
	}
	fleet := &Fleet{
		KeyFile:       filepath.Join(o.Dir, "key"),
		KnownHosts:    filepath.Join(o.Dir, "known_hosts"),
		InventoryFile: filepath.Join(o.Dir, "inventory.json"),
	}
	if err := fleet.start(o); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a fleet: %w", err), fleet.Close())
	}
	return fleet, nil
}

func (f *Fleet) start(o Options) error {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return err
	}
	key, err := f.writeKey()
	if err != nil {
		return err
	}
	for _, name := range o.Names {
		node, err := startNode(o.Dir, name, key)
		if err != nil {
			return fmt.Errorf("node %s: %w", name, err)
		}
		f.Nodes = append(f.Nodes, node)
	}
	if err := f.writeKnownHosts(); err != nil {
		return err
	}
	return f.writeInventory(o)
}

// Close kills every process of the nodes and ends their servers. The files stay.
func (f *Fleet) Close() error {
	var errs []error
	for _, node := range f.Nodes {
		errs = append(errs, node.close())
	}
	return errors.Join(errs...)
}

func (f *Fleet) writeKey() (ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "rollpin fleet")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(f.KeyFile, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(public)
}

func (f *Fleet) writeKnownHosts() error {
	var text strings.Builder
	for _, node := range f.Nodes {
		text.WriteString(knownhosts.Line([]string{node.SSH.Addr()}, node.SSH.HostKey()) + "\n")
	}
	return os.WriteFile(f.KnownHosts, []byte(text.String()), 0o644)
}

func (f *Fleet) writeInventory(o Options) error {
	type entry struct {
		Name        string   `json:"name"`
		Address     string   `json:"address"`
		User        string   `json:"user"`
		Roles       []string `json:"roles"`
		Environment string   `json:"environment"`
		Zone        string   `json:"zone,omitempty"`
	}
	var inventory struct {
		Nodes []entry `json:"nodes"`
	}
	for i, node := range f.Nodes {
		e := entry{Name: node.Name, Address: node.SSH.Addr(), User: User, Environment: "production", Roles: []string{"api"}}
		if o.Environment != "" {
			e.Environment = o.Environment
		}
		if o.Role != "" {
			e.Roles = strings.Split(o.Role, ",")
		}
		if len(o.Zones) > 0 {
			e.Zone = o.Zones[i%len(o.Zones)]
		}
		inventory.Nodes = append(inventory.Nodes, e)
	}
	text, err := json.MarshalIndent(inventory, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(f.InventoryFile, append(text, '\n'), 0o644)
}
