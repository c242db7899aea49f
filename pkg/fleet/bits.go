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

// bits are the files of a release for some nodes. They are in hand once done is closed.
type bits struct {
	done chan struct{}
	info bundle.Info
	err  error
	// claimed: some node makes sure of them. failures counts those that did so in vain.
	claimed  bool
	failures int
}

// maxBuilders is how many nodes may try to build a release: one may have a fault of its own, but what fails on two fails on all.
const maxBuilders = 2

// bitsFor returns the files of a release for a node. The first node of each kind makes sure of them for all: they are those that nodes hold
// already, else those in the cache, else it builds the release itself, and built is true. Where it fails, another one tries.
func (f *Fleet) bitsFor(ctx context.Context, n *node, s rollout.StageTask) (info bundle.Info, built bool, err error) {
	key := f.bitsKey(n, s.Release)
	first := f.firstOf(key, s)
	for {
		b, mine := f.claim(key, first == "" || first == n.Name)
		if mine {
			info, built, err = f.obtain(ctx, n, key, s.Found)
			b.end(info, built, err)
			if built { // it has the release, even if that cannot be had for others
				return info, true, nil
			}
			return info, false, err
		}
		select {
		case <-b.done:
		case <-ctx.Done():
			return bundle.Info{}, false, context.Cause(ctx)
		}
		if b.err == nil || b.failures >= maxBuilders {
			return b.info, false, b.err
		}
		first = "" // whoever comes first now
	}
}

// firstOf is the first node of a kind that has to get the release; empty where all have one that is to be made anew.
func (f *Fleet) firstOf(key bitsKey, s rollout.StageTask) string {
	for _, name := range s.Nodes {
		n := f.node(name)
		if !s.Found[name].Has(key.release) && f.bitsKey(n, key.release) == key {
			return name
		}
	}
	return ""
}

// claim returns the bits of a key, and whether the caller is the one to get them. What failed for one node is begun anew for another.
func (f *Fleet) claim(key bitsKey, may bool) (b *bits, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, begun := f.bits[key]
	if begun && b.ended() && b.err != nil && b.failures < maxBuilders && may {
		b, begun = &bits{done: make(chan struct{}), failures: b.failures}, true
		f.bits[key] = b
	}
	if !begun {
		b = &bits{done: make(chan struct{})}
		f.bits[key] = b
	}
	mine = may && !b.claimed
	b.claimed = b.claimed || mine
	return b, mine
}

func (b *bits) ended() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// end gives what was obtained to those who wait. What was built and cannot be taken to others is not built again.
func (b *bits) end(info bundle.Info, built bool, err error) {
	if err != nil {
		b.failures++
	}
	if built && err != nil {
		b.failures = maxBuilders
	}
	b.info, b.err = info, err
	close(b.done)
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
	return f.cache.Adopt(bundle.Info{Record: record, Path: key.path, Lock: lock.Text, Date: release.FileDate}, archive)
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

// delta finds out what a node lacks, from the manifests of the releases that it has. The manifests come from the cache, or from the node.
func (f *Fleet) delta(ctx context.Context, n *node, info bundle.Info) (release.Delta, bool) {
	want, err := f.cache.Manifest(info.Digest())
	if err != nil {
		return release.Delta{}, false
	}
	have := map[string]release.Manifest{}
	for _, record := range n.facts.Newest(sharing) {
		if record.ID == info.Record.ID {
			continue
		}
		if m, err := f.manifest(ctx, n, record); err == nil {
			have[record.ID] = m
		}
	}
	return want.DeltaFrom(have)
}

// manifest returns the manifest of a release that a node has.
func (f *Fleet) manifest(ctx context.Context, n *node, record release.Record) (release.Manifest, error) {
	f.mu.Lock()
	known, ok := f.manifests[record.Digest]
	f.mu.Unlock()
	if ok {
		return known, nil
	}
	m, err := f.cache.Manifest(record.Digest)
	if err != nil {
		facts, err := f.run(ctx, n, release.ReadManifest(n.facts.Path, record.ID))
		if err != nil {
			return release.Manifest{}, err
		}
		if m, err = release.ParseManifest(facts.Text("manifest") + "\n"); err != nil {
			return release.Manifest{}, err
		}
		if m.Digest() != record.Digest {
			return release.Manifest{}, fmt.Errorf("the manifest of %s on %s was changed", record.ID, n.Name)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.manifests[record.Digest] = m
	return m, nil
}

func (f *Fleet) send(ctx context.Context, n *node, info bundle.Info, payload bundle.Payload) error {
	facts, err := f.run(ctx, n, release.Admit(n.facts.Path, info.Record.ID))
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
