package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

// Stage puts release id on a node, beside the running one, installed from the lock and compared with it. A release that is there already
// is verified against its digest; one that no longer matches is made anew, unless it runs.
func (f *Fleet) Stage(ctx context.Context, name, id string, found map[string]rollout.Facts) error {
	n := f.node(name)
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Stage)
	defer cancel()
	if record, ok := n.facts.Records[id]; ok {
		_, err := f.run(ctx, n, release.Verify(n.facts.Path, record))
		if err == nil || ctx.Err() != nil || !damaged(err) {
			return err
		}
		if n.facts.Current == id {
			return fmt.Errorf("the release that runs is damaged: %w", err)
		}
		if _, err := f.run(ctx, n, release.Remove(n.facts.Path, []string{id})); err != nil {
			return err
		}
		delete(n.facts.Records, id)
	}
	lock, err := f.lockFor(ctx, n, id, found)
	if err != nil {
		return err
	}
	return f.install(ctx, n, id, lock)
}

// damaged tells a verification that found a difference from one that could not be made.
func damaged(err error) bool {
	var exit *shell.ExitError
	return errors.As(err, &exit)
}

func (f *Fleet) install(ctx context.Context, n *node, id string, lock pkgmgr.Lock) error {
	if _, err := f.run(ctx, n, release.Prepare(n.facts.Path, id)); err != nil {
		return err
	}
	installed, err := f.run(ctx, n, f.manager.Install(f.source, lock, n.facts.Path+"/releases/"+id))
	if err != nil {
		return err
	}
	if err := f.manager.Verify(lock, installed); err != nil {
		return err
	}
	finish, err := release.Finish(n.facts.Path, f.record(id, n, lock), lock.Text)
	if err != nil {
		return err
	}
	facts, err := f.run(ctx, n, finish)
	if err != nil {
		return err
	}
	record, err := release.ParseRecord(facts)
	if err != nil {
		return err
	}
	n.facts.Records[id] = record
	return nil
}

// lockFor returns the lock of release id for a node's platform: the one just resolved, else that of a node which holds the release.
func (f *Fleet) lockFor(ctx context.Context, n *node, id string, found map[string]rollout.Facts) (pkgmgr.Lock, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if lock, ok := f.locks[n.facts.Platform]; ok && id == f.release.ID {
		return lock, nil
	}
	err := fmt.Errorf("no node of platform %s holds release %s, so its lock is not to be had", n.facts.Platform, id)
	for _, name := range f.order {
		record, ok := found[name].Records[id]
		if !ok || record.Platform != n.facts.Platform {
			continue
		}
		var lock pkgmgr.Lock
		if lock, err = f.readLock(ctx, name, found[name].Path, record); err == nil {
			f.locks[n.facts.Platform] = lock
			return lock, nil
		}
	}
	return pkgmgr.Lock{}, err
}

func (f *Fleet) readLock(ctx context.Context, holder, path string, record release.Record) (pkgmgr.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Restart)
	defer cancel()
	facts, err := f.run(ctx, f.node(holder), release.ReadLock(path, record.ID))
	if err != nil {
		return pkgmgr.Lock{}, fmt.Errorf("reading the lock of %s on %s: %w", record.ID, holder, err)
	}
	lock, err := f.manager.ParseLock(facts.Text("lock") + "\n")
	if err != nil {
		return pkgmgr.Lock{}, fmt.Errorf("reading the lock of %s on %s: %w", record.ID, holder, err)
	}
	if lock.Digest() != record.Lock {
		return pkgmgr.Lock{}, fmt.Errorf("the lock of %s on %s was changed", record.ID, holder)
	}
	return lock, nil
}
