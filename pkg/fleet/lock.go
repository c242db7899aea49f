package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

// lockKey says what a lock is for: the lock of one release differs between platforms.
type lockKey struct{ release, platform string }

// lockRead is a lock that one node reads for all that wait for it. The result is there once done is closed.
type lockRead struct {
	done chan struct{}
	lock pkgmgr.Lock
	err  error
}

// keepLock remembers a lock that was just resolved.
func (f *Fleet) keepLock(key lockKey, lock pkgmgr.Lock) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.locks[key] = &lockRead{done: make(chan struct{}), lock: lock}
	close(f.locks[key].done)
}

// lockFor returns the lock of release id for a node's platform: the one just resolved, else that of nodes which hold the release, else the one
// that the cache remembers.
func (f *Fleet) lockFor(ctx context.Context, n *node, id string, found map[string]rollout.Facts) (pkgmgr.Lock, error) {
	key := lockKey{id, n.facts.Platform}
	f.mu.Lock()
	read, begun := f.locks[key]
	if !begun {
		read = &lockRead{done: make(chan struct{})}
		f.locks[key] = read
	}
	f.mu.Unlock()
	if !begun {
		read.lock, read.err = f.askHolders(ctx, key, found)
		if read.err != nil {
			f.forget(key) // the next node may have more luck
		}
		close(read.done)
	}
	select {
	case <-read.done:
		return read.lock, read.err
	case <-ctx.Done():
		return pkgmgr.Lock{}, context.Cause(ctx)
	}
}

func (f *Fleet) forget(key lockKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.locks, key)
}

const (
	// lockTimeout bounds reading a lock from the nodes that were asked for it; the next ones are asked after it.
	lockTimeout = 15 * time.Second
	// asked is how many nodes are asked at once: one that hangs must not hold up all the others.
	asked = 3
)

// askHolders reads a lock from the nodes that hold the release, some at a time, until one has it.
func (f *Fleet) askHolders(ctx context.Context, key lockKey, found map[string]rollout.Facts) (lock pkgmgr.Lock, err error) {
	holders := slices.DeleteFunc(slices.Clone(f.order), func(name string) bool {
		record, ok := found[name].Records[key.release]
		return !ok || record.Platform != key.platform || record.Found()
	})
	err = fmt.Errorf("no node of platform %s holds release %s, so its lock is not to be had", key.platform, key.release)
	for some := range slices.Chunk(holders, asked) {
		if lock, err = f.askAny(ctx, some, key.release, found); err == nil || ctx.Err() != nil {
			return lock, err
		}
	}
	if remembered, ok := f.cachedLock(key); ok {
		return remembered, nil
	}
	return lock, err
}

// askAny asks all of the holders at once and returns the first lock.
func (f *Fleet) askAny(ctx context.Context, holders []string, id string, found map[string]rollout.Facts) (pkgmgr.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	answers := make(chan lockRead, len(holders))
	for _, name := range holders {
		go func() {
			lock, err := f.readLock(ctx, name, found[name].Path, found[name].Records[id])
			answers <- lockRead{lock: lock, err: err}
		}()
	}
	first := <-answers
	for range len(holders) - 1 {
		if first.err == nil {
			cancel() // the others are not needed, but waited for
		}
		if next := <-answers; first.err != nil {
			first = next
		}
	}
	return first.lock, first.err
}

func (f *Fleet) readLock(ctx context.Context, holder, path string, record release.Record) (pkgmgr.Lock, error) {
	facts, err := f.run(ctx, f.node(holder), release.ReadLock(path, record.ID))
	if err != nil {
		return pkgmgr.Lock{}, fmt.Errorf("reading the lock of %s on %s: %w", record.ID, holder, err)
	}
	return f.parseLock(facts, holder, record)
}

// parseLock reads the lock of a release from what its holder answered.
func (f *Fleet) parseLock(facts shell.Facts, holder string, record release.Record) (pkgmgr.Lock, error) {
	lock, err := f.manager.ParseLock(facts.Text("lock") + "\n")
	if err != nil {
		return pkgmgr.Lock{}, fmt.Errorf("reading the lock of %s on %s: %w", record.ID, holder, err)
	}
	if lock.Digest() != record.Lock {
		return pkgmgr.Lock{}, fmt.Errorf("the lock of %s on %s was changed", record.ID, holder)
	}
	return lock, nil
}

// cachedLock is the lock of a release that the cache remembers for a platform.
func (f *Fleet) cachedLock(key lockKey) (pkgmgr.Lock, bool) {
	for _, info := range f.cache.Find(func(i bundle.Info) bool {
		return f.ours(i) && i.Record.ID == key.release && i.Record.Platform == key.platform
	}) {
		if lock, err := f.manager.ParseLock(info.Lock); err == nil && lock.Digest() == info.Record.Lock {
			return lock, true
		}
	}
	return pkgmgr.Lock{}, false
}
