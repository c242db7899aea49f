package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

// Resolve decides which release a version stands for. A release of that version that nodes run already is the one: every node gets the same
// packages, also those that come to it in a later run. Otherwise the first node of each platform resolves it, and the locks together
// give the release its id. A release that was staged for a later deployment is as good as running; one that failed, or that merely lies
// there, decides nothing, unless the index does not answer. A lock made earlier decides all.
func (f *Fleet) Resolve(ctx context.Context, w rollout.Wanted, found map[string]rollout.Facts) (rollout.Release, error) {
	resolved, err := f.find(ctx, w, found)
	if err == nil {
		resolved.Changes, resolved.Files = f.changes(ctx, resolved.ID, found)
	}
	return resolved, err
}

// find is decide, unless one release and no other will do.
func (f *Fleet) find(ctx context.Context, w rollout.Wanted, found map[string]rollout.Facts) (rollout.Release, error) {
	if w.Release != "" && (f.covered(w.Release, found) || f.keepsFiles(w.Release, found)) {
		return rollout.Release{ID: w.Release, Version: release.VersionOf(w.Release)}, nil
	}
	resolved, err := f.decide(ctx, w.Version, found)
	if err == nil && w.Release != "" && resolved.ID != w.Release {
		return rollout.Release{}, &goneError{w.Release, resolved.ID, f.service.Name}
	}
	return resolved, err
}

// goneError says that a release cannot be made again.
type goneError struct{ wanted, now, service string }

func (e *goneError) Error() string {
	return fmt.Sprintf("release %s is on no node and not kept here, and its version gives %s now", e.wanted, e.now)
}

// Hint is the deployment of what the version is now.
func (e *goneError) Hint() string {
	return fmt.Sprintf("rollpin deploy %s==%s -e ENV deploys what the index has now", e.service, release.VersionOf(e.now))
}

func (f *Fleet) decide(ctx context.Context, version string, found map[string]rollout.Facts) (rollout.Release, error) {
	if f.lockFile != nil {
		return f.fromLockFile(found)
	}
	if !f.installs() {
		return f.resolveArchive(version, found)
	}
	if f.taken.given() {
		return f.resolvePackage(ctx, version, found)
	}
	if id, ok := f.settled(version, found); ok {
		return id, nil
	}
	chosen, err := f.choose(ctx, version, found)
	if why := unanswered(err); why != "" {
		if id := rollout.Held(version, f.Same, found); id != "" && f.covered(id, found) {
			return held(id, why+"; nodes hold this release"), nil
		}
		if id := f.kept(version, found); id != "" {
			return held(id, why+"; this machine keeps this release"), nil
		}
	}
	if err != nil {
		return rollout.Release{}, err
	}
	if id, ok := f.settled(chosen, found); ok {
		return id, nil
	}
	return f.resolve(ctx, chosen, found)
}

// settled is the release that an earlier run has chosen for a version.
func (f *Fleet) settled(version string, found map[string]rollout.Facts) (rollout.Release, bool) {
	if id := rollout.Running(version, f.Same, found); id != "" && f.covered(id, found) {
		return held(id, "nodes run this release already"), true
	}
	if id := rollout.Ahead(version, f.Same, found); id != "" && f.covered(id, found) {
		return held(id, "it was staged before"), true
	}
	return rollout.Release{}, false
}

// unanswered says why an index that was asked for a version does not decide: it does not answer, or never had what came from a file. It is empty
// where it does decide.
func unanswered(err error) string {
	var failure *rollout.Failure
	var missing *pkgmgr.NoVersionError
	switch {
	case errors.As(err, &failure):
		return "the index gives no usable answer"
	case errors.As(err, &missing) && missing.Reason == "":
		return "the index does not have it"
	}
	return ""
}

// kept is the release of a version whose files the cache has for every node, the last used first; empty for none.
func (f *Fleet) kept(version string, found map[string]rollout.Facts) string {
	for _, info := range f.cache.Find(func(i bundle.Info) bool { return i.HasArchive && f.ours(i) && f.Same(i.Record.Version, version) }) {
		if f.keepsFiles(info.Record.ID, found) {
			return info.Record.ID
		}
	}
	return ""
}

// keepsFiles tells whether the cache has the files of a release for every node.
func (f *Fleet) keepsFiles(id string, found map[string]rollout.Facts) bool {
	for name := range found {
		if _, ok := f.cached(f.bitsKey(f.node(name), id), ""); !ok {
			return false
		}
	}
	return true
}

func held(id, note string) rollout.Release {
	return rollout.Release{ID: id, Version: release.VersionOf(id), Notes: []string{note}}
}

// choose asks the index on the first node for the version to take.
func (f *Fleet) choose(ctx context.Context, version string, found map[string]rollout.Facts) (string, error) {
	n := f.first(found)
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Stage)
	defer cancel()
	facts, err := f.run(ctx, n, f.installer().Offers(f.layout.source(n)))
	if err != nil {
		return "", fmt.Errorf("asking the index on %s: %w", n.Name, err)
	}
	offers, err := f.installer().ParseOffers(facts)
	if err != nil {
		return "", fmt.Errorf("asking the index on %s: %w", n.Name, err)
	}
	return pkgmgr.Choose(f.manager, offers, version, f.service.AllowYanked)
}

// resolve makes the lock of a version for every platform.
func (f *Fleet) resolve(ctx context.Context, version string, found map[string]rollout.Facts) (rollout.Release, error) {
	locks := map[string]pkgmgr.Lock{}
	var notes []string
	packages := 0
	for platform, n := range f.firstOfEach(found) {
		lock, said, err := f.resolveOn(ctx, n, version)
		if err != nil {
			return rollout.Release{}, err
		}
		locks[platform] = lock
		packages = max(packages, len(lock.Packages))
		notes = append(notes, said...)
	}
	id := release.ID(version, pkgmgr.CombinedDigest(locks))
	for platform, lock := range locks {
		f.keepLock(lockKey{id, platform}, lock)
	}
	slices.Sort(notes)
	return rollout.Release{ID: id, Version: version, Packages: packages, Notes: slices.Compact(notes)}, nil
}

// Same tells whether two spellings are one version, as the package manager orders them.
func (f *Fleet) Same(a, b string) bool {
	a, errA := f.manager.Normalize(a)
	b, errB := f.manager.Normalize(b)
	return errA == nil && errB == nil && f.manager.Compare(a, b) == 0
}

// resolveOn makes the lock of one platform; notes are what the package manager wants people to know of it.
func (f *Fleet) resolveOn(ctx context.Context, n *node, version string) (lock pkgmgr.Lock, notes []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Stage)
	defer cancel()
	var facts shell.Facts
	err = f.withArtifact(ctx, n, func(s pkgmgr.Source) error {
		facts, err = f.run(ctx, n, f.installer().Resolve(s, version))
		return err
	})
	if err == nil {
		lock, err = f.installer().ParseResolved(facts)
	}
	if err == nil && !f.taken.in(lock) {
		err = fmt.Errorf("%s is not what was resolved: the node has another file", f.taken.file.Name)
	}
	if err != nil {
		return pkgmgr.Lock{}, nil, fmt.Errorf("resolving %s %s on %s: %w", f.source.Package, version, n.Name, err)
	}
	return lock, facts.All("note"), nil
}

// covered tells whether for every platform of the fleet some node holds release id, and with it that platform's lock, or the cache does.
func (f *Fleet) covered(id string, found map[string]rollout.Facts) bool {
	covered := map[string]bool{}
	for _, facts := range found {
		if record, ok := facts.Records[id]; ok && !record.Found() {
			covered[record.Platform] = true
		}
	}
	for _, facts := range found {
		if covered[facts.Platform] {
			continue
		}
		if _, ok := f.cachedLock(lockKey{id, facts.Platform}); !ok {
			return false
		}
		covered[facts.Platform] = true
	}
	return true
}

func (f *Fleet) first(found map[string]rollout.Facts) *node {
	for _, name := range f.order {
		if _, ok := found[name]; ok {
			return f.nodes[name]
		}
	}
	panic("fleet: no node answered")
}

func (f *Fleet) firstOfEach(found map[string]rollout.Facts) map[string]*node {
	firsts := map[string]*node{}
	for _, name := range f.order {
		facts, ok := found[name]
		if ok && firsts[facts.Platform] == nil {
			firsts[facts.Platform] = f.nodes[name]
		}
	}
	return firsts
}
