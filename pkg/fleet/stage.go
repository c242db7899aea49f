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

// Stage puts release id on a node, beside the running one, installed from the lock and compared with it. A release that is there already
// is verified against its digest; one that no longer matches, or was made for another platform, is made anew, unless it runs.
func (f *Fleet) Stage(ctx context.Context, name, id string, found map[string]rollout.Facts) error {
	n := f.node(name)
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Stage)
	defer cancel()
	record, there := n.facts.Records[id]
	var unfit error
	if there {
		if unfit = f.verify(ctx, n, record); unfit == nil {
			return nil
		}
		if !remakeable(unfit) || ctx.Err() != nil {
			return unfit
		}
		if n.facts.Current == id {
			return &rollout.Failure{Class: rollout.Failed, Err: unfit, Text: "the release that is current cannot be used: " + unfit.Error(),
				Hint: "deploy another version to the node first, then this one again"}
		}
	}
	lock, err := f.lockFor(ctx, n, id, found)
	if err != nil {
		return err
	}
	if !there {
		return f.install(ctx, n, id, lock)
	}
	return f.remake(ctx, n, id, lock)
}

// errPlatform says that a release was made for another platform.
var errPlatform = errors.New("it was made for another platform")

func (f *Fleet) verify(ctx context.Context, n *node, record release.Record) error {
	if record.Platform != n.facts.Platform {
		return fmt.Errorf("%w: %s, and the node is %s now", errPlatform, record.Platform, n.facts.Platform)
	}
	_, err := f.run(ctx, n, release.Verify(n.facts.Path, record))
	return err
}

// remakeable tells a release that is not what it should be from a comparison that could not be made.
func remakeable(err error) bool {
	var exit *shell.ExitError
	return errors.Is(err, errPlatform) || errors.As(err, &exit) && exit.Result.Facts().Get("damaged") != ""
}

// remake installs a release again at its path. Until that is done the old one stays aside, and comes back if it fails.
func (f *Fleet) remake(ctx context.Context, n *node, id string, lock pkgmgr.Lock) error {
	if _, err := f.run(ctx, n, release.Aside(n.facts.Path, id)); err != nil {
		return err
	}
	installErr := f.install(ctx, n, id, lock)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.service.Timeouts.Restart)
	defer cancel()
	_, err := f.run(ctx, n, release.Unaside(n.facts.Path, id))
	return cmp.Or(installErr, err)
}

func (f *Fleet) install(ctx context.Context, n *node, id string, lock pkgmgr.Lock) error {
	if _, err := f.run(ctx, n, release.Prepare(n.facts.Path, id)); err != nil {
		return err
	}
	installed, err := f.run(ctx, n, f.manager.Install(f.source, lock, n.facts.Path+"/releases/"+id))
	if err != nil {
		return err
	}
	if err := f.manager.Verify(lock, installed); err != nil {
		return err
	}
	finish, err := release.Finish(n.facts.Path, f.record(id, n, lock), lock.Text)
	if err != nil {
		return err
	}
	facts, err := f.run(ctx, n, finish)
	if err != nil {
		return err
	}
	record, err := release.ParseRecord(facts)
	if err != nil {
		return err
	}
	n.facts.Records[id] = record
	return nil
}
