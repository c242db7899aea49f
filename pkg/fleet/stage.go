package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

// Stage puts release id on a node, beside the running one, and sees that it is what it should be. A release that is there already is
// verified against its digest; one that no longer matches, or was made for another platform, is made anew, unless it runs.
func (f *Fleet) Stage(ctx context.Context, name string, s rollout.StageTask) (rollout.Staged, error) {
	n, id := f.node(name), s.Release
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Stage)
	defer cancel()
	record, there := n.facts.Records[id]
	if !there {
		return f.put(ctx, n, s)
	}
	unfit := f.verify(ctx, n, record)
	switch {
	case unfit == nil:
		return rollout.Staged{How: "present"}, nil
	case !remakeable(unfit) || ctx.Err() != nil || record.Found(): // what was found cannot be made again
		return rollout.Staged{}, unfit
	case n.facts.Current == id:
		return rollout.Staged{}, &rollout.Failure{Class: rollout.Failed, Err: unfit, Text: "the release that is current cannot be used: " + unfit.Error(),
			Hint: "deploy another version to the node first, then this one again"}
	}
	return f.remake(ctx, n, s)
}

// errPlatform says that a release was made for another platform.
var errPlatform = errors.New("it was made for another platform")

func (f *Fleet) verify(ctx context.Context, n *node, record release.Record) error {
	if record.Platform != n.facts.Platform || record.Interpreter != n.facts.Interpreter {
		return fmt.Errorf("%w: %s %s, and the node is %s %s now", errPlatform, record.Platform, record.Interpreter, n.facts.Platform, n.facts.Interpreter)
	}
	_, err := f.run(ctx, n, release.Verify(n.facts.Path, record))
	return err
}

// remakeable tells a release that is not what it should be from a comparison that could not be made.
func remakeable(err error) bool {
	var exit *shell.ExitError
	return errors.Is(err, errPlatform) || errors.As(err, &exit) && exit.Result.Facts().Get("damaged") != ""
}

// remake puts a release anew at its path. Until that is done the old one stays aside, and comes back if it fails.
func (f *Fleet) remake(ctx context.Context, n *node, s rollout.StageTask) (rollout.Staged, error) {
	id := s.Release
	if _, err := f.run(ctx, n, release.Aside(n.facts.Path, id)); err != nil {
		return rollout.Staged{}, err
	}
	delete(n.facts.Records, id)
	staged, putErr := f.put(ctx, n, s)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.service.Timeouts.Restart)
	defer cancel()
	_, err := f.run(ctx, n, release.Unaside(n.facts.Path, id))
	return staged, cmp.Or(putErr, err)
}

// put makes the release on a node that has none of it: from the files of another node, or from the lock.
func (f *Fleet) put(ctx context.Context, n *node, s rollout.StageTask) (rollout.Staged, error) {
	if f.service.Install == "each" && f.installs() {
		if err := f.installFromLock(ctx, n, s.Release, s.Found); err != nil {
			return rollout.Staged{}, err
		}
		return rollout.Staged{How: "built"}, nil
	}
	bits, built, err := f.bitsFor(ctx, n, s)
	switch {
	case err != nil:
		return rollout.Staged{}, err
	case built:
		return rollout.Staged{How: "built", Bytes: bits.Bytes}, nil
	}
	return f.ship(ctx, n, bits)
}

func (f *Fleet) installFromLock(ctx context.Context, n *node, id string, found map[string]rollout.Facts) error {
	lock, err := f.lockFor(ctx, n, id, found)
	if err != nil {
		return err
	}
	return f.install(ctx, n, id, lock)
}

func (f *Fleet) install(ctx context.Context, n *node, id string, lock pkgmgr.Lock) error {
	if _, err := f.run(ctx, n, release.Prepare(n.facts.Path, id)); err != nil {
		return err
	}
	var installed shell.Facts
	err := f.withArtifact(ctx, n, func(s pkgmgr.Source) (err error) {
		installed, err = f.run(ctx, n, f.layout.install(n, s, id, lock))
		return err
	})
	if err != nil {
		return err
	}
	if err := f.installer().Verify(lock, installed); err != nil {
		return err
	}
	record := f.record(id, n, lock)
	f.layout.note(&record, installed)
	finish, err := release.Finish(n.facts.Path, record, lock.Text, release.FileDate)
	if err != nil {
		return err
	}
	return f.keepRecord(ctx, n, finish)
}

// keepRecord runs a script that ends with a finished release, and takes note of it.
func (f *Fleet) keepRecord(ctx context.Context, n *node, s shell.Script) error {
	facts, err := f.run(ctx, n, s)
	if err != nil {
		return err
	}
	record, err := release.ParseRecord(facts)
	if err != nil {
		return err
	}
	n.facts.Records[record.ID] = record
	return nil
}
