package fleet

import (
	"context"
	"errors"
	"slices"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// bitsKey says for which nodes the files of a release are the same.
type bitsKey struct{ release, platform, interpreter, path string }

func (f *Fleet) bitsKey(n *node, id string) bitsKey {
	key := bitsKey{release: id, platform: n.facts.Platform, interpreter: n.facts.Interpreter}
	if !f.manager.Movable() {
		key.path = n.facts.Path
	}
	return key
}

// bits are the files of a release for all nodes of a kind, and the search for them. Guarded by the fleet's lock.
type bits struct {
	info bundle.Info
	err  error
	// found: info or err is there. changed is closed, and made anew, whenever a node has tried.
	found   bool
	changed chan struct{}
	busy    bool
	// tried are the nodes that tried in vain, said what was wrong on those that could be reached.
	tried, said map[string]bool
}

// bitsFor returns the files of a release for a node. The first node of each kind makes sure of them for all: they are those that nodes hold
// already, else those in the cache, else it builds the release itself, and built is true. Where it fails, the next one tries, until two have
// failed in the same words: that is no fault of a single node.
func (f *Fleet) bitsFor(ctx context.Context, n *node, s rollout.StageTask) (info bundle.Info, built bool, err error) {
	key := f.bitsKey(n, s.Release)
	for {
		b, turn, changed := f.turn(key, n, s)
		switch {
		case turn:
			info, built, err = f.obtain(ctx, n, key, s.Found)
			f.tell(b, n, info, built, err)
			if built { // it has the release, even if that cannot be had for others
				return info, true, nil
			}
			return info, false, err
		case changed == nil:
			return b.info, false, b.err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return bundle.Info{}, false, context.Cause(ctx)
		}
	}
}

// turn tells whether it is a node's turn to get the bits. If not, changed ends when that may be another's; it is nil once they are found.
func (f *Fleet) turn(key bitsKey, n *node, s rollout.StageTask) (b *bits, turn bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, begun := f.bits[key]
	if !begun {
		b = &bits{changed: make(chan struct{}), tried: map[string]bool{}, said: map[string]bool{}}
		f.bits[key] = b
	}
	if b.found {
		return b, false, nil
	}
	if !b.busy && f.next(key, b, s, n.Name) == n.Name {
		b.busy = true
		return b, true, nil
	}
	return b, false, b.changed
}

// next is the first node of a kind that has to get the release and has not tried; asking itself where all others have one to be made anew.
func (f *Fleet) next(key bitsKey, b *bits, s rollout.StageTask, asking string) string {
	for _, name := range s.Nodes {
		if !b.tried[name] && !f.node(name).out && !s.Found[name].Has(key.release) && f.bitsKey(f.node(name), key.release) == key {
			return name
		}
	}
	return asking
}

// leaveOut lets nobody wait for a node that will not come to stage anything.
func (f *Fleet) leaveOut(n *node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n.out = true
	for _, b := range f.bits {
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// tell says what came of a node's try.
func (f *Fleet) tell(b *bits, n *node, info bundle.Info, built bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b.busy, b.tried[n.Name] = false, true
	known := failureOrNil(n.Name, err)
	switch {
	case err == nil:
		b.info, b.found = info, true
	case built, isClass(known, rollout.Failed) && b.said[known.Error()]:
		b.err, b.found = notToBeHad(n.Name, known), true
	case isClass(known, rollout.Failed):
		b.said[known.Error()] = true
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

func isClass(err error, class rollout.Class) bool {
	var known *rollout.Failure
	return errors.As(err, &known) && known.Class == class
}

// notToBeHad is the failure of nodes that wait for the bits, for what went wrong on another.
func notToBeHad(name string, err error) error {
	failure := failure(name, err)
	return &rollout.Failure{Class: rollout.Failed, Text: "the release could not be had from " + name + ": " + failure.Text, Hint: failure.Hint, Log: failure.Log, Err: err}
}

// obtain gets the files of a release into the cache; built tells that the node has the release now, because it made it.
func (f *Fleet) obtain(ctx context.Context, n *node, key bitsKey, found map[string]rollout.Facts) (bundle.Info, bool, error) {
	holders := f.holders(key, found)
	if info, ok := f.cached(key, digestOf(holders, key.release, found)); ok {
		return info, false, nil
	}
	for _, name := range holders {
		info, err := f.fetch(ctx, f.node(name), key, f.node(name).facts.Records[key.release])
		if err == nil || ctx.Err() != nil {
			return info, false, err
		}
	}
	if !f.installs() {
		return bundle.Info{}, false, f.noFiles(key.release)
	}
	if err := f.installFromLock(ctx, n, key.release, found); err != nil {
		return bundle.Info{}, false, err
	}
	info, err := f.fetch(ctx, n, key, n.facts.Records[key.release])
	return info, true, err
}

// holders are the nodes that hold the release for this key, those with the most common digest first.
func (f *Fleet) holders(key bitsKey, found map[string]rollout.Facts) []string {
	votes := map[string]int{}
	var holders []string
	for _, name := range f.order {
		record, ok := found[name].Records[key.release]
		if !ok || record.Platform != key.platform || record.Interpreter != key.interpreter || key.path != "" && found[name].Path != key.path {
			continue
		}
		holders = append(holders, name)
		votes[record.Digest]++
	}
	slices.SortStableFunc(holders, func(a, b string) int {
		return votes[found[b].Records[key.release].Digest] - votes[found[a].Records[key.release].Digest]
	})
	return holders
}

// digestOf is the digest of the bits that most nodes hold; empty where none does.
func digestOf(holders []string, id string, found map[string]rollout.Facts) string {
	if len(holders) == 0 {
		return ""
	}
	return found[holders[0]].Records[id].Digest
}

// cached returns the bundle of the cache for a key, and checks it; digest is the one that it must have, if not empty.
func (f *Fleet) cached(key bitsKey, digest string) (bundle.Info, bool) {
	for _, info := range f.cache.Find(func(i bundle.Info) bool {
		return i.HasArchive && f.fits(i, key) && (digest == "" || i.Digest() == digest)
	}) {
		if f.cache.Use(info) == nil {
			return info, true
		}
	}
	return bundle.Info{}, false
}

// fits tells whether a bundle is the release of a key.
func (f *Fleet) fits(i bundle.Info, key bitsKey) bool {
	return f.ours(i) && i.Record.ID == key.release && i.Record.Platform == key.platform && i.Record.Interpreter == key.interpreter && i.Path == key.path
}

// ours tells whether a bundle is of this service's package.
func (f *Fleet) ours(i bundle.Info) bool {
	return i.Record.Package == f.service.Package && i.Record.Manager == f.manager.Name()
}
