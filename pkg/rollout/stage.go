package rollout

import (
	"context"
	"fmt"
)

// stage puts the release on every node that has a step to take, all in parallel, beside what runs there. No user is affected, so every
// node is tried, and the complete list of failures is told. Where staging is all that was asked for, every failure is one of the whole.
func (r *run) stage() error {
	before, planned := len(r.failed()), r.planned()
	found := r.found()
	var names []string
	for _, n := range planned {
		names = append(names, n.Name)
	}
	r.each(planned, func(n *node) {
		if r.interrupted() != nil {
			return
		}
		err := r.stepTelling(r.soft, n, StepStage, n.to, func(ctx context.Context) (learned, error) {
			if err := r.guard(ctx, n); err != nil {
				return learned{}, err
			}
			staged, err := r.fleet.Stage(ctx, n.Name, StageTask{Release: n.to, Nodes: names, Found: found})
			if err != nil {
				return learned{}, err
			}
			r.update(n, func(n *node) { n.staged = &staged })
			return learned{n.to, &staged}, nil
		})
		if err != nil && !isInterrupt(err) {
			r.update(n, func(n *node) { n.failure = failureOf(StepStage, err) })
		}
	})
	if err := r.interrupted(); err != nil {
		return err
	}
	if err := r.guardedElsewhere(); err != nil {
		return err
	}
	failed := r.failed()
	if len(failed) == before && (!r.StageOnly || before == 0) {
		return nil
	}
	if !r.StageOnly && !r.overBudget() && len(failed) < len(r.nodes) {
		r.replan()
		return nil
	}
	stop := &Stop{Why: Staging, Err: fmt.Errorf("staging failed: %d of %d nodes cannot take the release", len(failed), len(r.nodes))}
	for _, n := range failed {
		stop.Problems = append(stop.Problems, NodeProblem{n.Name, Problem{n.failure.Text, n.failure.Hint}})
	}
	return stop
}

// replan leaves the failed nodes out, so that the canary is a node that can be judged.
func (r *run) replan() {
	r.plan = r.newPlan()
	r.tell(Event{Kind: Planned, Plan: &r.plan, Release: r.release.ID, Nodes: len(r.nodes), Text: "without the nodes that could not be staged"})
}

func (r *run) planned() []*node {
	var nodes []*node
	for _, wave := range r.plan.Waves {
		nodes = append(nodes, r.members(wave)...)
	}
	return nodes
}
