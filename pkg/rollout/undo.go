package rollout

import (
	"context"
	"fmt"
	"slices"
)

// undo returns every node that the deployment activated to what that node ran before: as many at once as a batch of the strategy has, so that
// the way back neither takes the service down nor crawls through a canary. Failed nodes went back when they failed, unless an earlier run had
// left them half way.
// A healthy node that had no release before stays: there is nothing to go back to.
func (r *run) undo() {
	nodes := r.selected(func(n *node) bool {
		there := n.probed && (n.failure == nil || n.failure.Class != Unreachable)
		over := n.over && !n.begun && n.healthy
		return there && n.touched && !over && !n.restored && n.undo == nil && n.from != "" && n.from != n.to
	})
	for batch := range slices.Chunk(nodes, r.plan.Undo) {
		if r.interrupted() != nil {
			return
		}
		r.each(batch, r.putBack)
	}
}

// putBack returns one node to what it ran before. The way back must not end with the first interrupt: it is the safe end.
func (r *run) putBack(n *node) {
	r.update(n, func(n *node) { n.healthy = false })
	step, way := StepRestore, r.restore
	if n.from == "" {
		step, way = StepWithdraw, r.withdraw
	}
	back := func(ctx context.Context) error {
		if !n.guarded { // an earlier run of the deployment took it along
			if err := r.guard(ctx, n); err != nil {
				return err
			}
		}
		return way(ctx, n)
	}
	if err := r.step(r.safe, n, step, n.from, back); err != nil {
		failure := failureOf(step, err)
		r.update(n, func(n *node) { n.undo = failure })
		if failure.Class != Unreachable && !n.known() {
			r.learn(n)
		}
	}
}

// learn asks a node whose way back failed half way what it runs now.
func (r *run) learn(n *node) {
	if facts, err := r.fleet.Probe(r.safe, n.Name); err == nil {
		r.update(n, func(n *node) { n.runs, n.doubtful = facts.Current, false })
	}
}

func (r *run) restore(ctx context.Context, n *node) error {
	r.update(n, func(n *node) { n.doubtful = true })
	if err := r.fleet.Switch(ctx, n.Name, Switch{To: n.from}); err != nil {
		return err
	}
	r.update(n, func(n *node) { n.runs, n.doubtful = n.from, false })
	if err := r.fleet.Restart(ctx, n.Name); err != nil {
		return err
	}
	if err := r.fleet.Healthy(ctx, n.Name, n.from); err != nil {
		if ctx.Err() == nil || r.interrupted() == nil {
			return err
		}
		// The time of an interrupt ran out. The old release was started and held; the next run will look again.
		r.update(n, func(n *node) { n.restored = true })
		return nil
	}
	r.update(n, func(n *node) { n.restored = true })
	if err := r.fleet.Confirm(ctx, n.Name, n.from); err != nil {
		r.tellUnconfirmed(n, err)
	}
	return nil
}

func (r *run) tellUnconfirmed(n *node, err error) {
	r.tell(Event{Kind: Note, Node: n.Name, Text: fmt.Sprintf("it is back and healthy, but that could not be written down: %v", err)})
}

func (r *run) withdraw(ctx context.Context, n *node) error {
	r.update(n, func(n *node) { n.doubtful = true })
	stopped, err := r.fleet.Withdraw(ctx, n.Name)
	if err != nil {
		return err
	}
	r.update(n, func(n *node) { n.runs, n.doubtful, n.stopped = "", false, stopped })
	return nil
}
