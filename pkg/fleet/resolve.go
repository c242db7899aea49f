package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// Resolve decides which release a version stands for. A release of that version that the nodes hold already is the one: every node gets the
// same packages, also those that come to it in a later run. Otherwise the first node of each platform resolves it, and the locks together
// give the release its id.
func (f *Fleet) Resolve(ctx context.Context, version string, found map[string]rollout.Facts) (rollout.Release, error) {
	var err error
	if version, err = f.version(ctx, version, found); err != nil {
		return rollout.Release{}, err
	}
	if id := rollout.MostCommon(version, f.Same, found); id != "" && f.covered(id, found) {
		return f.decide(rollout.Release{ID: id, Version: version, Notes: []string{"the nodes hold this release already"}}), nil
	}
	var digests, notes []string
	packages := 0
	for platform, n := range f.firstOfEach(found) {
		lock, said, err := f.resolveOn(ctx, n, version)
		if err != nil {
			return rollout.Release{}, err
		}
		f.locks[platform] = lock
		digests = append(digests, lock.Digest())
		packages = max(packages, len(lock.Packages))
		notes = append(notes, said...)
	}
	slices.Sort(notes)
	return f.decide(rollout.Release{
		ID: release.ID(version, combine(digests)), Version: version, Packages: packages, Notes: slices.Compact(notes),
	}), nil
}

// version returns the version in normal form: the one asked for, else the newest that the index offers. A version that a node holds
// need not be in the index any more.
func (f *Fleet) version(ctx context.Context, version string, found map[string]rollout.Facts) (string, error) {
	if id := rollout.MostCommon(version, f.Same, found); id != "" {
		return release.VersionOf(id), nil
	}
	n := f.first(found)
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Stage)
	defer cancel()
	facts, err := f.run(ctx, n, f.manager.Offers(f.source))
	if err != nil {
		return "", fmt.Errorf("asking the index on %s: %w", n.Name, err)
	}
	offers, err := f.manager.ParseOffers(facts)
	if err != nil {
		return "", fmt.Errorf("asking the index on %s: %w", n.Name, err)
	}
	return pkgmgr.Choose(f.manager, offers, version, f.service.AllowYanked)
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
	facts, err := f.run(ctx, n, f.manager.Resolve(f.source, version))
	if err == nil {
		lock, err = f.manager.ParseResolved(facts)
	}
	if err != nil {
		return pkgmgr.Lock{}, nil, fmt.Errorf("resolving %s %s on %s: %w", f.source.Package, version, n.Name, err)
	}
	return lock, facts.All("note"), nil
}

func (f *Fleet) decide(r rollout.Release) rollout.Release {
	f.release = r
	return r
}

// covered tells whether for every platform of the fleet some node holds release id, and with it that platform's lock.
func (f *Fleet) covered(id string, found map[string]rollout.Facts) bool {
	covered := map[string]bool{}
	for _, facts := range found {
		if record, ok := facts.Records[id]; ok {
			covered[record.Platform] = true
		}
	}
	for _, facts := range found {
		if !covered[facts.Platform] {
			return false
		}
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

// combine makes one digest of the locks of all platforms. Where all have the same lock it is that lock's own.
func combine(digests []string) string {
	slices.Sort(digests)
	digests = slices.Compact(digests)
	if len(digests) == 1 {
		return digests[0]
	}
	sum := sha256.Sum256([]byte(strings.Join(digests, "\n")))
	return hex.EncodeToString(sum[:])
}
