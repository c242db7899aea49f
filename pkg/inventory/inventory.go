// Package inventory says what a node is, selects nodes, and reads them from a file or from a program.
package inventory

import "context"

// Node is one target host.
type Node struct {
	Name string
	// Address is a host name or an IP address, without a port.
	Address string
	// Port is the SSH port; 0 for the default.
	Port int
	// User is the SSH user; empty for the default.
	User        string
	Roles       []string
	Environment string
	// Zone is the failure domain: datacenter, availability zone or rack. May be empty.
	Zone string
	Meta map[string]string
	// Dead is why discovery holds the node for dead, such as a critical serfHealth; empty for a live one.
	Dead string
}

// Query selects nodes.
type Query struct {
	Environment string
	// Role is empty for the nodes of every role.
	Role string
}

// Source is where nodes come from: a file, a program, Consul.
type Source interface {
	// Nodes returns the nodes that match q, sorted by name in natural order. Where none does the error is a *NoNodesError.
	Nodes(ctx context.Context, q Query) ([]Node, error)
	// String names the source for people, such as "inventory.yaml" or "Consul at 127.0.0.1:8500".
	String() string
}
