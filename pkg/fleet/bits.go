package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
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
		if !b.tried[name] && !s.Found[name].Has(key.release) && f.bitsKey(f.node(name), key.release) == key {
			return name
		}
	}
	return asking
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

// fetch takes the files of a release from a node into the cache.
func (f *Fleet) fetch(ctx context.Context, n *node, key bitsKey, record release.Record) (bundle.Info, error) {
	facts, err := f.run(ctx, n, release.Pack(n.facts.Path, key.release))
	if err != nil {
		return bundle.Info{}, err
	}
	packed, err := release.ParsePacked(facts)
	if err != nil {
		return bundle.Info{}, err
	}
	archive, err := f.download(ctx, n, packed)
	if err != nil {
		return bundle.Info{}, failure(n.Name, err)
	}
	if _, err := f.run(ctx, n, release.Discard(n.facts.Path, key.release)); err != nil {
		return bundle.Info{}, err
	}
	lock, err := f.readLock(ctx, n.Name, n.facts.Path, record)
	if err != nil {
		return bundle.Info{}, err
	}
	record.Previous, record.Deployment, record.Ahead = "", "", false
	return f.cache.Adopt(bundle.Info{Record: record, Path: key.path, Lock: lock.Text, Date: f.fileDate()}, archive)
}

// fileDate is that of all files of a release; empty for an archive, whose files keep their own: web servers tell by it what has changed.
func (f *Fleet) fileDate() string {
	if !f.installs() {
		return ""
	}
	return release.FileDate
}

func (f *Fleet) download(ctx context.Context, n *node, packed release.Packed) (string, error) {
	temp, err := f.cache.Temp()
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp(temp, "fetch-")
	if err != nil {
		return "", err
	}
	if err := errors.Join(n.conn.Fetch(ctx, packed.File, file), file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	about, err := os.Stat(file.Name())
	if err == nil && about.Size() != packed.Size {
		err = fmt.Errorf("%s has %d bytes on the node, and %d arrived", filepath.Base(packed.File), packed.Size, about.Size())
	}
	return file.Name(), err
}

// ship makes the release on a node out of the bits: only the files that the node has in none of its releases travel.
func (f *Fleet) ship(ctx context.Context, n *node, info bundle.Info) (rollout.Staged, error) {
	payload := f.cache.Whole(info)
	if delta, ok := f.delta(ctx, n, info); ok {
		part, err := f.cache.Delta(info, delta)
		if err == nil && part.Size < payload.Size {
			payload = part
		}
	}
	err := f.send(ctx, n, info, payload)
	if err != nil && payload.Base != "" && unfit(err) { // a file that the node should have is another one there
		payload = f.cache.Whole(info)
		err = f.send(ctx, n, info, payload)
	}
	return rollout.Staged{How: "sent", Sent: payload.Size, Bytes: info.Bytes, Shared: payload.Base}, err
}

// sharing is from how many releases of a node files are taken.
const sharing = 3

// delta finds out what a node lacks, from the manifests of the releases that it has. It is worked out once for all nodes that have the same
// ones, and for one at a time: the manifests of a large release take memory.
func (f *Fleet) delta(ctx context.Context, n *node, info bundle.Info) (release.Delta, bool) {
	have := map[string]release.Manifest{}
	key := info.Digest()
	for _, record := range n.facts.Newest(sharing) {
		if record.ID == info.Record.ID {
			continue
		}
		if m, err := f.manifest(ctx, n, record); err == nil {
			have[record.ID] = m
			key += " " + record.ID + " " + record.Digest
		}
	}
	f.comparing.Lock()
	defer f.comparing.Unlock()
	if known, ok := f.deltas[key]; ok {
		return known, known.Base != ""
	}
	want, err := f.knownManifest(info.Digest())
	if err != nil {
		return release.Delta{}, false
	}
	d, ok := want.DeltaFrom(have)
	f.deltas[key] = d
	return d, ok
}

// manifest returns the manifest of a release that a node has: from the cache, or from the node.
func (f *Fleet) manifest(ctx context.Context, n *node, record release.Record) (release.Manifest, error) {
	f.comparing.Lock()
	m, err := f.knownManifest(record.Digest)
	f.comparing.Unlock()
	if err == nil {
		return m, nil
	}
	facts, err := f.run(ctx, n, release.ReadManifest(n.facts.Path, record.ID))
	if err != nil {
		return release.Manifest{}, err
	}
	f.comparing.Lock()
	defer f.comparing.Unlock()
	if known, ok := f.manifests[record.Digest]; ok { // another node was faster
		return known, nil
	}
	if m, err = release.ParseManifest(facts.Text("manifest") + "\n"); err != nil {
		return release.Manifest{}, err
	}
	if m.Digest() != record.Digest {
		return release.Manifest{}, fmt.Errorf("the manifest of %s on %s was changed", record.ID, n.Name)
	}
	f.manifests[record.Digest] = m
	return m, nil
}

// knownManifest returns a manifest that was read before, or that the cache has. The caller holds comparing.
func (f *Fleet) knownManifest(digest string) (release.Manifest, error) {
	if known, ok := f.manifests[digest]; ok {
		return known, nil
	}
	m, err := f.cache.Manifest(digest)
	if err == nil {
		f.manifests[digest] = m
	}
	return m, err
}

func (f *Fleet) send(ctx context.Context, n *node, info bundle.Info, payload bundle.Payload) error {
	need := payload.Size + info.Bytes
	if payload.Base != "" && f.service.Share == "hardlink" {
		need = payload.Size
	}
	facts, err := f.run(ctx, n, release.Admit(n.facts.Path, info.Record.ID, need))
	if err != nil {
		return err
	}
	file, err := os.Open(payload.File)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := n.conn.Send(ctx, facts.Get("incoming"), file, payload.Size); err != nil {
		return failure(n.Name, err)
	}
	record := info.Record
	record.Service, record.Staged, record.Ahead = f.service.Name, f.deployment, f.ahead
	receive, err := release.Receive(n.facts.Path, release.Received{
		Record: record, SHA256: payload.SHA256, Base: payload.Base, Share: f.service.Share, Date: info.Date,
	})
	if err != nil {
		return err
	}
	return f.keepRecord(ctx, n, receive)
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
