package fleet

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/rollpin/rollpin/pkg/artifact"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// reclaimTimeout bounds the removal of a file that was lent to a node.
const reclaimTimeout = 10 * time.Second

// takePackage gets a wheel or a tarball in hand, and sees that it is of the service's package and, if one is named, of the version.
func (f *Fleet) takePackage(ctx context.Context, ref artifact.Ref, version string) (string, error) {
	temp, err := f.cache.Temp()
	if err != nil {
		return "", err
	}
	file, err := artifact.Get(ctx, ref, temp)
	if err != nil {
		return "", err
	}
	content, err := os.Open(file.Path)
	if err != nil {
		return "", &artifact.Error{Err: err}
	}
	defer content.Close()
	locked, err := f.installer().Describe(f.source, file.Name, content, file.Size)
	if err != nil {
		advice := ""
		if hinted, ok := err.(interface{ Hint() string }); ok {
			advice = hinted.Hint()
		}
		return "", &artifact.Error{Err: err, Advice: advice}
	}
	if version != "" && !f.Same(version, locked.Version) {
		return "", &artifact.Error{Err: fmt.Errorf("%s is version %s, and %s was asked for", file.Name, locked.Version, version),
			Advice: fmt.Sprintf("rollpin deploy %s==%s -e ENV --artifact FILE", f.service.Name, locked.Version)}
	}
	f.taken = taken{file: file, locked: locked}
	return locked.Version, nil
}

// resolvePackage decides on the release of a file that was taken. One that was made from the same file, and that nodes run or that was staged,
// is the one, so that a deployment can be run again; one that they merely hold is, where nothing can be resolved.
func (f *Fleet) resolvePackage(ctx context.Context, version string, found map[string]rollout.Facts) (rollout.Release, error) {
	if known, ok := f.settled(version, found); ok && f.madeFromTaken(ctx, known.ID, found) {
		return known, nil
	}
	resolved, err := f.resolve(ctx, version, found)
	if err == nil || ctx.Err() != nil {
		return resolved, err
	}
	if id := rollout.Held(version, f.Same, found); f.madeFromTaken(ctx, id, found) {
		return held(id, "it cannot be resolved now; nodes hold this release"), nil
	}
	return rollout.Release{}, err
}

// madeFromTaken tells whether release id is there for every platform, and was made from the file that was taken.
func (f *Fleet) madeFromTaken(ctx context.Context, id string, found map[string]rollout.Facts) bool {
	if id == "" || !f.covered(id, found) {
		return false
	}
	for _, n := range f.firstOfEach(found) {
		if lock, err := f.lockFor(ctx, n, id, found); err != nil || !f.taken.in(lock) {
			return false
		}
	}
	return true
}

// withArtifact calls do with where packages come from: the index, and while do runs, the file that was taken, which is sent to the node.
func (f *Fleet) withArtifact(ctx context.Context, n *node, do func(pkgmgr.Source) error) error {
	source := f.layout.source(n)
	if !f.taken.given() {
		return do(source)
	}
	facts, err := f.run(ctx, n, release.Lend())
	if err != nil {
		return err
	}
	lent := facts.Get("lent")
	if lent == "" {
		return fmt.Errorf("%s made no place for %s", n.Name, f.taken.file.Name)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reclaimTimeout)
		defer cancel()
		_, _ = f.run(ctx, n, release.Reclaim(lent)) // what stays on a node that is gone lies in its temporary folder
	}()
	file, err := os.Open(f.taken.file.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	source.Artifact, source.Described = lent+"/"+f.taken.file.Name, f.taken.locked
	if err := n.conn.Send(ctx, source.Artifact, file, f.taken.file.Size); err != nil {
		return failure(n.Name, err)
	}
	return do(source)
}
