package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
	"golang.org/x/sync/errgroup"
)

// changes tells how a release differs from the one that most nodes run. What cannot be found out is left out: it is for people to read.
func (f *Fleet) changes(ctx context.Context, id string, found map[string]rollout.Facts) (packages []pkgmgr.Change, files *release.Changes) {
	votes := map[string]int{}
	for _, facts := range found {
		if facts.Has(facts.Current) {
			votes[facts.Current]++
		}
	}
	from := rollout.MostVotes(votes)
	if from == "" || from == id {
		return nil, nil
	}
	n := f.first(found)
	before, errBefore := f.lockFor(ctx, n, from, found)
	after, errAfter := f.lockFor(ctx, n, id, found)
	if errBefore == nil && errAfter == nil {
		packages = pkgmgr.Diff(before, after)
	}
	old, errOld := f.cachedManifest(n, from)
	now, errNow := f.cachedManifest(n, id)
	if errOld == nil && errNow == nil {
		changes := now.ChangesFrom(old)
		files = &changes
	}
	return packages, files
}

// cachedManifest is the manifest of a release for a node, where a run before has left it here.
func (f *Fleet) cachedManifest(n *node, id string) (release.Manifest, error) {
	key := f.bitsKey(n, id)
	for _, info := range f.cache.Find(func(i bundle.Info) bool { return f.fits(i, key) }) {
		return f.cache.Manifest(info.Digest())
	}
	return release.Manifest{}, fmt.Errorf("the cache has no release %s", id)
}

// Difference is how one release differs from another on one platform.
type Difference struct {
	Platform string `json:"platform"`
	From     string `json:"from"`
	To       string `json:"to"`
	// Packages are the packages that differ; Files is nil where the files of one of the two are not known.
	Packages []pkgmgr.Change  `json:"packages"`
	Files    *release.Changes `json:"files,omitempty"`
	// Bytes is the size of all files of To; 0 where it is not known.
	Bytes int64 `json:"bytes,omitempty"`
}

// Compare tells how two versions differ, on the platform of the first node. Releases come from the nodes or from the cache; a version that
// neither has is resolved anew, and its files are not known. Probe must have been called for the nodes in found.
func (f *Fleet) Compare(ctx context.Context, from, to string, found map[string]rollout.Facts) (Difference, error) {
	n := f.first(found)
	d := Difference{Platform: n.facts.Platform}
	var locks [2]pkgmgr.Lock
	for i, version := range []string{from, to} {
		id, err := f.known(ctx, version, found)
		if err != nil {
			return Difference{}, err
		}
		if locks[i], err = f.lockFor(ctx, n, id, found); err != nil {
			return Difference{}, err
		}
		if i == 0 {
			d.From = id
		} else {
			d.To = id
		}
	}
	d.Packages = pkgmgr.Diff(locks[0], locks[1])
	before, errBefore := f.anyManifest(ctx, n, d.From, found)
	after, errAfter := f.anyManifest(ctx, n, d.To, found)
	if errBefore == nil && errAfter == nil {
		changes := after.ChangesFrom(before)
		d.Files = &changes
		_, d.Bytes = after.Size()
	}
	return d, nil
}

// CompareVersions is Compare with the nodes that answer, at most parallel asked at once.
func (f *Fleet) CompareVersions(ctx context.Context, from, to string, parallel int) (Difference, error) {
	var group errgroup.Group
	group.SetLimit(max(1, parallel))
	errs := make([]error, len(f.order))
	for i, name := range f.order {
		group.Go(func() error {
			_, errs[i] = f.Probe(ctx, name)
			return nil
		})
	}
	_ = group.Wait() // each node's error stands in errs
	found := map[string]rollout.Facts{}
	for i, name := range f.order {
		if errs[i] == nil {
			found[name] = f.nodes[name].facts
		}
	}
	if len(found) == 0 {
		return Difference{}, fmt.Errorf("no node answers: %w", errors.Join(errs...))
	}
	return f.Compare(ctx, from, to, found)
}

// known is the release that stands for a version: the one on the nodes, else the one in the cache, else the one that the index gives.
func (f *Fleet) known(ctx context.Context, version string, found map[string]rollout.Facts) (string, error) {
	if id := rollout.Held(version, f.Same, found); id != "" {
		return id, nil
	}
	if id := f.Remembered(version, found); id != "" {
		return id, nil
	}
	resolved, err := f.Resolve(ctx, rollout.Wanted{Version: version}, found)
	return resolved.ID, err
}

// anyManifest is the manifest of a release, from the cache or from a node that has it.
func (f *Fleet) anyManifest(ctx context.Context, n *node, id string, found map[string]rollout.Facts) (m release.Manifest, err error) {
	if m, err = f.cachedManifest(n, id); err == nil {
		return m, nil
	}
	for _, name := range f.order {
		holder := f.nodes[name]
		if record, ok := found[name].Records[id]; ok && record.Platform == n.facts.Platform {
			if m, err = f.manifest(ctx, holder, record); err == nil {
				return m, nil
			}
		}
	}
	return m, err
}

// CompareCached is Compare with nothing but the cache; false where it does not know both.
func CompareCached(cache *bundle.Cache, service, from, to string) (Difference, bool, error) {
	for _, info := range cache.Find(func(i bundle.Info) bool { return i.Record.Service == service && i.Record.Version == to }) {
		for _, old := range cache.Find(func(i bundle.Info) bool {
			return i.Record.Service == service && i.Record.Version == from && i.Record.Package == info.Record.Package && i.Record.Platform == info.Record.Platform
		}) {
			d, err := compareBundles(cache, old, info)
			return d, err == nil, err
		}
	}
	return Difference{}, false, nil
}

func compareBundles(cache *bundle.Cache, old, now bundle.Info) (Difference, error) {
	manager, err := pkgmgr.For(now.Record.Manager)
	if err != nil {
		return Difference{}, err
	}
	var locks [2]pkgmgr.Lock
	var manifests [2]release.Manifest
	for i, info := range []bundle.Info{old, now} {
		if locks[i], err = manager.ParseLock(info.Lock); err != nil {
			return Difference{}, fmt.Errorf("reading the lock of %s in the cache: %w", info.Record.ID, err)
		}
		if manifests[i], err = cache.Manifest(info.Digest()); err != nil {
			return Difference{}, err
		}
	}
	changes := manifests[1].ChangesFrom(manifests[0])
	return Difference{
		Platform: now.Record.Platform, From: old.Record.ID, To: now.Record.ID, Packages: pkgmgr.Diff(locks[0], locks[1]), Files: &changes, Bytes: now.Bytes,
	}, nil
}
