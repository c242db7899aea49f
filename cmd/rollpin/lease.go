package main

import (
	"context"
	"path/filepath"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/consul"
	"github.com/rollpin/rollpin/pkg/lock"
)

// locks is where the locks of deployments are: Consul, or files of this machine.
type locks interface {
	// Acquire takes a lock or fails at once, with a *lock.HeldError where somebody else has it. A lease from Consul is a *consul.Lease.
	Acquire(ctx context.Context, key lock.Key, holder lock.Holder) (lock.Lease, error)
	// Holder says who holds a lock; nil where nobody does.
	Holder(ctx context.Context, key lock.Key) (*lock.HeldError, error)
	// Domain names a lock for good, for the guards on nodes.
	Domain(ctx context.Context, key lock.Key) (string, error)
}

// locks picks where the configuration wants locks: in the datacenter that nodes come from, or below the state directory.
func (s *session) locks(t config.Target) (locks, error) {
	if t.Lock == "file" {
		dir, err := stateDir()
		if err != nil {
			return nil, err
		}
		return lock.Files{Dir: filepath.Join(dir, "locks")}, nil
	}
	datacenter := ""
	if t.Discovery.Consul != nil {
		datacenter = t.Discovery.Consul.Datacenter
	}
	shared, err := consul.NewLocks(datacenter)
	if err != nil {
		return nil, usageError{err}
	}
	return shared, nil
}
