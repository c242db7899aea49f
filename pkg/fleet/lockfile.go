package fleet

import (
	"context"
	"fmt"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// lockFile is a lock made earlier.
type lockFile struct {
	version string
	id      string
	locks   map[string]pkgmgr.Lock
}

// readLockFile reads the text of a lock file of the service's package. The version that was asked for, if any, must be the one in it.
func (f *Fleet) readLockFile(text, version string) error {
	file, locks, err := pkgmgr.ParseLockFile(text, f.manager, f.service.Package)
	if err != nil {
		return fmt.Errorf("reading the lock: %w", err)
	}
	if version != "" && !f.Same(version, file.Version) {
		return fmt.Errorf("reading the lock: it is for version %s, not %s", file.Version, version)
	}
	normal, err := f.manager.Normalize(file.Version)
	if err != nil {
		return fmt.Errorf("reading the lock: %w", err)
	}
	f.lockFile = &lockFile{version: normal, id: release.ID(normal, pkgmgr.CombinedDigest(locks)), locks: locks}
	return nil
}

// fromLockFile is the release of the lock that was made earlier; every platform of the fleet must be in it.
func (f *Fleet) fromLockFile(found map[string]rollout.Facts) (rollout.Release, error) {
	resolved := rollout.Release{ID: f.lockFile.id, Version: f.lockFile.version, Notes: []string{"as the lock says"}}
	for platform, n := range f.firstOfEach(found) {
		lock, ok := f.lockFile.locks[platform]
		if !ok {
			return rollout.Release{}, &rollout.Failure{Class: rollout.Failed, Text: fmt.Sprintf("the lock does not cover %s, the platform of %s", platform, n.Name),
				Hint: "make the lock anew with all nodes: rollpin lock"}
		}
		if !f.taken.in(lock) {
			return rollout.Release{}, &rollout.Failure{Class: rollout.Failed, Text: "the lock is of another file than --artifact",
				Hint: "name the file that the lock was made with, or make the lock anew: rollpin lock with --artifact"}
		}
		f.keepLock(lockKey{f.lockFile.id, platform}, lock)
		resolved.Packages = max(resolved.Packages, len(lock.Packages))
	}
	return resolved, nil
}

// LockFile is the lock of a release that Resolve chose, for every platform of the fleet.
func (f *Fleet) LockFile(ctx context.Context, resolved rollout.Release) (pkgmgr.LockFile, error) {
	found := map[string]rollout.Facts{}
	for _, name := range f.order {
		if f.nodes[name].facts.Path != "" { // it was probed
			found[name] = f.nodes[name].facts
		}
	}
	file := pkgmgr.LockFile{
		Manager: f.manager.Name(), Package: f.service.Package, Version: resolved.Version, Release: resolved.ID, Platforms: map[string]string{},
	}
	for platform, n := range f.firstOfEach(found) {
		lock, err := f.lockFor(ctx, n, resolved.ID, found)
		if err != nil {
			return pkgmgr.LockFile{}, err
		}
		file.Platforms[platform] = lock.Text
	}
	return file, nil
}

// Remembered returns the release of a version that the cache can give to every platform of the nodes, as files or at least as a lock; empty
// for none.
func (f *Fleet) Remembered(version string, found map[string]rollout.Facts) string {
	for _, info := range f.cache.Find(func(i bundle.Info) bool { return f.ours(i) && f.Same(i.Record.Version, version) }) {
		if f.covered(info.Record.ID, found) {
			return info.Record.ID
		}
	}
	return ""
}
