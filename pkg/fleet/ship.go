package fleet

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
)

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
	lock, err := f.parseLock(facts, n.Name, record)
	if err != nil {
		return bundle.Info{}, err
	}
	record.Previous, record.Deployment, record.Ahead = "", "", false
	info := bundle.Info{Record: record, Path: key.path, Lock: lock.Text, Date: f.fileDate()}
	return f.cache.Adopt(info, func(to io.Writer) error { return f.download(ctx, n, packed, key.release, to) })
}

func (f *Fleet) download(ctx context.Context, n *node, packed release.Packed, id string, to io.Writer) error {
	if err := n.conn.Fetch(ctx, packed.File, to); err != nil {
		return failure(n.Name, err)
	}
	_, err := f.run(ctx, n, release.Discard(n.facts.Path, id))
	return err
}

// fileDate is that of all files of a release; empty for an archive, whose files keep their own: web servers tell by it what has changed.
func (f *Fleet) fileDate() string {
	if !f.installs() {
		return ""
	}
	return release.FileDate
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
