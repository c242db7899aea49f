package rollout

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/release"
)

// preflight connects to every node and learns what is true there. Any problem but an unreachable node inside the budget ends the
// deployment here, with the problems of all nodes.
func (r *run) preflight() error {
	r.each(r.nodes, r.probe)
	if err := r.interrupted(); err != nil {
		return err
	}
	if err := r.guardedElsewhere(); err != nil && !r.DryRun {
		return err
	}
	if r.SkipUnreachable {
		r.skip()
	}
	problems := r.problems()
	if len(problems) > 0 || r.failures() > r.newPlan().MaxFailures || len(r.found()) == 0 {
		return r.preflightStop(problems)
	}
	return nil
}

// skip leaves the nodes out that cannot be reached, unless that is all of them.
func (r *run) skip() {
	if len(r.found()) == 0 {
		return
	}
	for _, n := range r.failed() {
		if n.failure.Class == Unreachable {
			n.skipped, n.left, n.failure = n.failure.Text, true, nil
			r.tell(Event{Kind: Note, Node: n.Name, Text: "left out: " + n.skipped})
		}
	}
}

// problems are what stops a deployment, whatever its budget. A rollback goes on with them: a full disk may be the very reason for it, and
// what really cannot be done shows when it is tried.
func (r *run) problems() []NodeProblem {
	var problems []NodeProblem
	for _, n := range r.nodes {
		for _, p := range n.facts.Problems {
			if r.Rollback {
				r.tell(Event{Kind: Note, Node: n.Name, Text: p.Text})
				continue
			}
			problems = append(problems, NodeProblem{n.Name, p})
		}
		if n.failure != nil && n.failure.Class != Unreachable && !r.Rollback {
			problems = append(problems, NodeProblem{n.Name, Problem{n.failure.Text, n.failure.Hint}})
		}
	}
	return problems
}

func (r *run) probe(n *node) {
	if n.Dead != "" {
		n.failure = &Failure{Class: Unreachable, Step: StepProbe, Text: "discovery holds it for dead: " + n.Dead,
			Hint: fmt.Sprintf("bring it back, take it out of discovery, or leave it out: --exclude %s", n.Name)}
		r.tell(Event{Kind: StepFailed, Node: n.Name, Step: StepProbe, Failure: n.failure})
		return
	}
	var facts Facts
	err := r.stepTelling(r.soft, n, StepProbe, "", func(ctx context.Context) (_ learned, err error) {
		facts, err = r.fleet.Probe(ctx, n.Name)
		return learned{release: facts.Current}, err
	})
	if isInterrupt(err) {
		return
	}
	if err != nil {
		n.failure = failureOf(StepProbe, err)
		return
	}
	_, met := r.earlier(n)
	n.meet(facts, met)
}

func (r *run) preflightStop(problems []NodeProblem) error {
	nodes := map[string]bool{}
	for _, n := range r.nodes {
		if n.failure != nil && (n.failure.Class == Unreachable || r.Rollback) {
			problems = append(problems, NodeProblem{n.Name, Problem{n.failure.Text, n.failure.Hint}})
		}
	}
	for _, p := range problems {
		nodes[p.Node] = true
	}
	return &Stop{Why: Preflight, Problems: problems, Err: fmt.Errorf("%d of %d nodes are not ready", len(nodes), len(r.nodes))}
}

// makePlan decides what each node shall run and in which order.
func (r *run) makePlan() error {
	if err := r.aim(); err != nil {
		var own *Stop
		if errors.As(err, &own) {
			return own
		}
		if stop := r.interrupted(); stop != nil {
			return stop
		}
		return &Stop{Why: Preflight, Err: err}
	}
	r.plan = r.newPlan()
	r.tell(Event{Kind: Planned, Plan: &r.plan, Release: r.release.ID, Nodes: len(r.nodes)})
	return nil
}

// aim sets the release that each node shall run.
func (r *run) aim() error {
	switch {
	case r.Resume != nil:
		return r.aimAgain()
	case r.Rollback:
		return r.aimBack()
	}
	resolved, err := r.fleet.Resolve(r.soft, Wanted{Version: r.Version, Release: r.Release}, r.found())
	if err != nil {
		return err
	}
	r.release = resolved
	r.tell(Event{Kind: Resolved, Release: resolved.ID, Resolved: &resolved})
	for _, n := range r.nodes {
		if n.left {
			continue
		}
		n.to = resolved.ID
		n.healthy = n.probed && n.facts.Runs(n.to)
		n.halfWay()
	}
	return nil
}

// halfWay corrects what a node ran before where a deployment ended between switch and health: that is the release before, if any.
func (n *node) halfWay() {
	if n.from != n.to || n.facts.Confirmed == n.to {
		return
	}
	n.from = ""
	if previous := n.facts.CurrentRecord().Previous; n.facts.Has(previous) {
		n.from = previous
	}
}

// aimBack sets the targets of a rollback; nodes that it does not concern have no step to take.
func (r *run) aimBack() error {
	targets, err := r.targets()
	if none, ok := errors.AsType[*NoReleaseError](err); ok {
		none.Service, none.Environment = r.Service, r.Environment
	}
	if err != nil {
		return err
	}
	for _, n := range r.nodes {
		to, ok := targets[n.Name]
		switch {
		case ok:
			n.to = to
			n.healthy = n.facts.Runs(to)
		case n.probed:
			n.left = true
		}
		if r.release.ID == "" && ok {
			r.release = Release{ID: to, Version: release.VersionOf(to)}
		}
	}
	if r.release.ID == "" && r.Undo == nil {
		return errors.New("there is nothing to roll back")
	}
	if r.release.ID == "" {
		return &NothingToUndoError{Service: r.Service, Environment: r.Environment, Deployment: r.Undoes}
	}
	r.tell(Event{Kind: Resolved, Release: r.release.ID, Resolved: &r.release})
	return nil
}

// targets are those that the nodes know; a version that none of them has any more may be kept elsewhere.
func (r *run) targets() (map[string]string, error) {
	found := r.found()
	if r.Undo != nil && r.Version == "" {
		if targets, ok := r.Undo.targets(r.Undoes, found); ok {
			return targets, nil
		}
	}
	targets, err := Targets(r.Version, r.fleet.Same, found)
	if err == nil || r.Version == "" {
		return targets, err
	}
	id := r.fleet.Remembered(r.Version, found)
	if id == "" {
		return nil, err
	}
	targets = map[string]string{}
	for name := range found {
		targets[name] = id
	}
	return targets, nil
}

// request is the plan's view of the nodes: those that answered and have a step to take, or are done.
func (r *run) request() plan.Request {
	request := plan.Request{Service: r.Service, Environment: r.Environment, Strategy: r.Strategy, Rollback: r.Rollback}
	for _, n := range r.nodes {
		if n.left {
			continue
		}
		node := plan.Node{Name: n.Name, Zone: n.Zone, From: n.from, To: n.to, Done: n.healthy, Missing: n.failure != nil}
		if previous := n.predecessor(); previous != n.from && !r.Rollback {
			node.Previous = previous
		}
		request.Nodes = append(request.Nodes, node)
	}
	return request
}
