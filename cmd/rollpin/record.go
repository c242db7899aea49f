package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/consul"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/spf13/cobra"
)

// record begins the journal of a deployment, or goes on with it; nil for a dry run. With the lock in Consul others see it there.
func (r *rolloutCommand) record(h *held, t config.Target, id string) (rollout.Journal, error) {
	if r.dryRun {
		return nil, nil
	}
	dir, err := journalDir()
	if err != nil {
		return nil, err
	}
	writer, err := r.writer(dir, t, id)
	if err != nil {
		return nil, err
	}
	var save func(context.Context, []byte) error
	if lease, ok := h.lease.(*consul.Lease); ok {
		save = func(ctx context.Context, value []byte) error { return lease.Save(ctx, id, value) }
	}
	var earlier journal.Deployment
	if r.earlier != nil {
		earlier = *r.earlier
	}
	return journal.Share(h.soft, writer, earlier, h.lease.Err, save), nil
}

// closeRecord ends a record. After an interrupt there is little time for what others should know, and after a second one none.
func closeRecord(ctx context.Context, j rollout.Journal) error {
	if shared, ok := j.(*journal.Shared); ok {
		return shared.Close(ctx)
	}
	return nil
}

// writer opens the journal of a deployment that is gone on with, if it is on this machine, else a new one.
func (r *rolloutCommand) writer(dir string, t config.Target, id string) (*journal.Writer, error) {
	if r.earlier != nil {
		writer, err := journal.Open(dir, t.Environment, t.Service.Name, id)
		if !errors.Is(err, fs.ErrNotExist) {
			return writer, err
		}
	}
	return journal.Create(dir, t.Environment, t.Service.Name, id)
}

// asked is what this run was asked to do, for the record.
func (r *rolloutCommand) asked(c *cobra.Command, targets []inventory.Node) rollout.Asked {
	if r.earlier != nil {
		return r.earlier.Asked
	}
	a := rollout.Asked{Command: r.verb, Version: r.version, Partial: len(r.target.limit)+len(r.target.exclude) > 0, DryRun: r.dryRun}
	a.Flags = given(c, "limit", "exclude", "skip-unreachable", "reason", "wait", "local-lock")
	a.Dir, _ = os.Getwd() // without it, configuration is looked for where resume is typed
	for _, n := range targets {
		a.Nodes = append(a.Nodes, n.Name)
	}
	return a
}
