package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollpin/rollpin/pkg/artifact"
	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// platformAny is the platform of every node for an archive, as its probe says.
const platformAny = "any"

// artifactForm is how a file is named that no index has.
const artifactForm = "--artifact FILE, or --artifact 'URL#sha256=HEX'"

// taken is the artifact that is to be deployed: what a lock says of it, and the release that an archive becomes or the file of a package.
type taken struct {
	locked  pkgmgr.Locked
	release string
	file    artifact.File
}

func (t taken) given() bool { return t.locked.Name != "" }

// in tells whether a lock is of what was taken; true where nothing was.
func (t taken) in(lock pkgmgr.Lock) bool {
	return !t.given() || slices.ContainsFunc(lock.Packages, func(p pkgmgr.Locked) bool {
		return p.Name == t.locked.Name && p.Version == t.locked.Version && p.Hash == t.locked.Hash
	})
}

// Take makes the fleet deploy the artifact that named stands for, instead of what an index has; empty for none. It returns the version to
// deploy: version, or where that is empty the file's own. Its error is an *artifact.Error for what cannot be, and touches no node.
func (f *Fleet) Take(ctx context.Context, named, version string) (string, error) {
	if f.lockFile != nil && version == "" {
		version = f.lockFile.version
	}
	if !f.installs() && version == "" {
		return "", &artifact.Error{Err: fmt.Errorf("%s is an archive, and no index tells its newest version", f.service.Package),
			Advice: fmt.Sprintf("name the version: rollpin deploy %s==VERSION -e ENV %s", f.service.Name, artifactForm)}
	}
	if named == "" {
		return version, nil
	}
	ref, err := artifact.Parse(named)
	if err != nil {
		return "", err
	}
	if !f.installs() {
		return version, f.takeArchive(ctx, ref, version)
	}
	return f.takePackage(ctx, ref, version)
}

// takeArchive makes a bundle of an archive, unless the cache has it.
func (f *Fleet) takeArchive(ctx context.Context, ref artifact.Ref, version string) error {
	if ref.URL != "" && f.knows(ref.SHA256, version) {
		return nil
	}
	temp, err := f.cache.Temp()
	if err != nil {
		return err
	}
	file, err := artifact.Get(ctx, ref, temp)
	if err != nil || f.knows(file.SHA256, version) {
		return err
	}
	lock, err := pkgmgr.ArchiveLock(f.service.Package, version, file.SHA256)
	if err != nil {
		return err
	}
	record := f.record(release.ID(version, lock.Digest()), &node{facts: rollout.Facts{Platform: platformAny}}, lock)
	_, err = f.cache.Import(ctx, bundle.Info{Record: record, Lock: lock.Text}, file.Path)
	if unusable, ok := errors.AsType[*bundle.UnusableError](err); ok {
		return &artifact.Error{Err: fmt.Errorf("%s cannot become a release: %w", file.Name, unusable),
			Advice: "expected a tar, a tar.gz or a zip with files and directories"}
	}
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", file.Name, err)
	}
	f.taken = taken{release: record.ID, locked: lock.Packages[0]}
	return nil
}

// knows tells whether the cache has the release that an archive makes, and takes it if so.
func (f *Fleet) knows(sha256, version string) bool {
	lock, err := pkgmgr.ArchiveLock(f.service.Package, version, sha256)
	if err != nil {
		return false
	}
	id := release.ID(version, lock.Digest())
	if _, ok := f.cached(bitsKey{release: id, platform: platformAny}, ""); !ok {
		return false
	}
	f.taken = taken{release: id, locked: lock.Packages[0]}
	return true
}

// resolveArchive decides on the release of an archive: the one that was taken, else the one of that version that nodes run, or hold, or that
// the cache has.
func (f *Fleet) resolveArchive(version string, found map[string]rollout.Facts) (rollout.Release, error) {
	if f.taken.given() {
		return rollout.Release{ID: f.taken.release, Version: version}, nil
	}
	if known, ok := f.settled(version, found); ok {
		return known, nil
	}
	if id := rollout.Held(version, f.Same, found); id != "" {
		return held(id, "nodes hold this release"), nil
	}
	if id := f.kept(version, found); id != "" {
		return held(id, "this machine keeps this release"), nil
	}
	return rollout.Release{}, &rollout.Failure{Class: rollout.Failed, Hint: "name its file: " + artifactForm,
		Text: fmt.Sprintf("no node holds %s %s, and neither does this machine", f.service.Package, version)}
}

// noFiles is the failure of a release whose files are nowhere, and that nothing can install.
func (f *Fleet) noFiles(id string) error {
	return &rollout.Failure{Class: rollout.Failed, Text: fmt.Sprintf("no node has the files of release %s, and neither has this machine", id),
		Hint: fmt.Sprintf("deploy it again with its file: rollpin deploy %s==%s -e ENV %s", f.service.Name, release.VersionOf(id), artifactForm)}
}
