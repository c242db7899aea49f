package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
	"golang.org/x/sync/errgroup"
)

// Guard makes the node this deployment's own. Where that cannot be written down, for want of room on the disk, the node goes without: a
// rollback must not fail for it.
func (f *Fleet) Guard(ctx context.Context, name string) error {
	n := f.node(name)
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Restart)
	defer cancel()
	facts, err := f.run(ctx, n, release.TakeGuard(n.facts.Path, f.guard, rollout.GuardTTL))
	if facts.Get("guard") != "" {
		n.guarded.Store(true)
	}
	if err != nil {
		f.leaveOut(n)
	}
	return guardedError(n, facts, err)
}

// runGuarded is run for what must not be done to a node of another deployment.
func (f *Fleet) runGuarded(ctx context.Context, n *node, s shell.Script) (shell.Facts, error) {
	if n.guarded.Load() {
		s = release.Guarded(s, n.facts.Path, f.guard.Deployment)
	}
	facts, err := f.run(ctx, n, s)
	return facts, guardedError(n, facts, err)
}

func guardedError(n *node, facts shell.Facts, err error) error {
	var failure *rollout.Failure
	if err == nil || len(facts.All("guarded")) == 0 || !errors.As(err, &failure) {
		return err
	}
	guarded := &rollout.GuardedError{Node: n.Name, By: holder("", facts.Get("guarded"))}
	return &rollout.Failure{Class: rollout.Failed, Text: guarded.Error(), Hint: guarded.Hint(), Err: guarded}
}

// holder reads who a guard is of.
func holder(deployment, text string) lock.Holder {
	h := lock.Holder{Command: "deployment", Deployment: deployment, User: "somebody", Host: "an unknown host"}
	_ = json.Unmarshal([]byte(text), &h) // what cannot be read tells nothing, and guards all the same
	return h
}

// busy is the deployment of a guard, unless it is over: it has not been there for long, or it held the lock that this one holds now.
func (f *Fleet) busy(g *release.Guard) *lock.Holder {
	if g == nil || g.Deployment == f.guard.Deployment || g.Age.Abs() >= rollout.GuardTTL || g.Domain != "" && g.Domain == f.guard.Domain {
		return nil
	}
	id, _, _ := strings.Cut(g.Deployment, ".")
	h := holder(id, g.Holder)
	return &h
}

// Settle gives the node back. If prune, what keep leaves no room for goes before that.
func (f *Fleet) Settle(ctx context.Context, name string, prune bool) error {
	n := f.node(name)
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Stage)
	defer cancel()
	var parts []shell.Script
	if obsolete := n.facts.Obsolete(f.service.Keep); prune && len(obsolete) > 0 {
		parts = append(parts, release.Remove(n.facts.Path, obsolete))
	}
	script, err := shell.Join("settle", append(parts, release.Unguard(n.facts.Path, f.guard.Deployment))...)
	if err != nil {
		return err
	}
	_, err = f.run(ctx, n, script)
	return err
}

// Guards asks every node, at most parallel at once, for the deployment that has it: by name, only those that another one has. Nodes that do
// not answer are in errs.
func (f *Fleet) Guards(ctx context.Context, parallel int) (guards map[string]lock.Holder, errs map[string]error) {
	guards, errs = map[string]lock.Holder{}, map[string]error{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(max(1, parallel))
	for _, name := range f.order {
		group.Go(func() error {
			facts, err := f.Probe(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				errs[name] = err
			case facts.Busy != nil:
				guards[name] = *facts.Busy
			}
			return nil
		})
	}
	_ = group.Wait() // each node's error stands in errs
	return guards, errs
}

// BreakGuard takes a node from the deployment that Guards found there, if it still has it.
func (f *Fleet) BreakGuard(ctx context.Context, name string) error {
	n := f.node(name)
	if n.facts.Guard == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Restart)
	defer cancel()
	_, err := f.run(ctx, n, release.Unguard(n.facts.Path, n.facts.Guard.Deployment))
	return err
}
