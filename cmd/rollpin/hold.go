package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/consul"
	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/report"
)

// held is the lock of a deployment, and what hangs on it.
type held struct {
	lease lock.Lease
	by    lock.Holder
	// domain names the lock, for the guards on the nodes.
	domain string
	// soft is the session's, and ends as well when the lock is lost.
	soft context.Context
	// waited tells that somebody else had it first.
	waited bool
	end    func()
}

// hold takes the lock of the service, after waiting for it as long as --wait says. The caller calls end.
func (r *rolloutCommand) hold(t config.Target) (*held, error) {
	h := &held{soft: r.soft, end: func() {}}
	if r.dryRun {
		h.by = r.holder(r.verb, r.id(""), r.reason)
		return h, nil
	}
	if r.localLock {
		t.Lock = "file"
	}
	locks, err := r.locks(t)
	if err != nil {
		return nil, err
	}
	key := lock.Key{Environment: t.Environment, Service: t.Service.Name}
	if h.domain, err = locks.Domain(r.soft, key); err != nil {
		return nil, r.elsewhere(err)
	}
	acquire := func(ctx context.Context) (lock.Lease, error) {
		newest, err := r.newest(ctx, locks, key) // while it waited, others may have deployed
		if err != nil {
			return nil, err
		}
		h.by = r.holder(r.verb, r.id(newest), r.reason)
		return locks.Acquire(ctx, key, h.by)
	}
	h.lease, err = lock.Wait(r.soft, r.wait, acquire, func(e lock.HeldError) {
		h.waited = true
		if r.wait > 0 {
			fmt.Fprintf(r.stderr, "waiting up to %s for %s\n", r.wait, report.Clean(e.Who()))
		}
	})
	if err != nil {
		return nil, r.elsewhere(err)
	}
	h.follow(r)
	return h, nil
}

// elsewhere says what to do where files of the state directory are what failed.
func (r *rolloutCommand) elsewhere(err error) error {
	var file *fs.PathError
	var hint interface{ Hint() string }
	if errors.As(err, &hint) || !errors.As(err, &file) {
		return err
	}
	return hinted{err, "keep locks and journals in a directory that can be written: XDG_STATE_HOME=DIRECTORY"}
}

// id is the deployment's: one after the newest that is known, unless an earlier one is gone on with.
func (r *rolloutCommand) id(newest string) string {
	if r.earlier != nil {
		return r.earlier.ID
	}
	return deploymentID(time.Now(), newest)
}

// newest is the id of the latest deployment of a service that this machine, or Consul, knows; empty for none.
func (r *rolloutCommand) newest(ctx context.Context, in locks, key lock.Key) (string, error) {
	dir, err := journalDir()
	if err != nil {
		return "", err
	}
	newest := journal.Newest(dir, key.Environment, key.Service)
	if shared, ok := in.(*consul.Locks); ok {
		there, err := shared.NewestRecord(ctx, key)
		return max(newest, there), err
	}
	return newest, nil
}

// follow ends soft when the lock is lost, and gives the lock back at the end.
func (h *held) follow(r *rolloutCommand) {
	soft, cancel := context.WithCancelCause(r.soft)
	h.soft = soft
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		select {
		case <-h.lease.Done():
			cancel(h.lease.Err())
		case <-soft.Done():
		}
	}()
	h.end = func() {
		cancel(nil)
		<-followed
		if h.lease.Err() != nil {
			return // it is somebody else's
		}
		if err := h.lease.Release(r.ctx); err != nil {
			fmt.Fprintln(r.stderr, "warning:", report.Clean(err.Error()))
		}
	}
}

// checkWait bounds --wait to what a person may mean.
func (r *rolloutCommand) checkWait() error {
	if r.wait < 0 || r.wait > 24*time.Hour {
		return usageError{fmt.Errorf("--wait is a time up to 24h, such as 10m, not %s", r.wait)}
	}
	return nil
}
