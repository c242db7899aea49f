package rollout

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/release"
)

// Resume is what earlier runs of a deployment left: enough to go on with it.
type Resume struct {
	// Release is its id, Plan the first one that was made.
	Release string
	Plan    plan.Plan
	// Spent are the nodes that failed: their part of the budget is gone.
	Spent []string
	// Nodes is what is known of those that were in a plan.
	Nodes map[string]Earlier
}

// Earlier is what earlier runs of a deployment knew of a node.
type Earlier struct {
	// From is what it ran before the first of them, To where it goes; empty for nothing, or where that was not decided.
	From, To string
	// Previous is the last release that was healthy there before, where From was not; else empty.
	Previous string
	Touched  bool
	// Over: it came to its end there with all the others, and does not go back because a node that joins later fails.
	Over bool
}

// OvertakenError says that what a run was to go on with is history.
type OvertakenError struct{ Node, Text string }

// Error says what came after it.
func (e *OvertakenError) Error() string {
	return fmt.Sprintf("somebody else deployed since: %s %s", e.Node, e.Text)
}

func (r *run) first() Event {
	kind := Started
	if r.Resume != nil {
		kind = Resumed
	}
	return Event{Kind: kind, Text: r.Version, Nodes: len(r.Nodes), By: &r.By, Asked: &r.Asked}
}

// aimAgain sets the targets as they were, and for each node what it ran before the first run and whether that is over.
func (r *run) aimAgain() error {
	if err := r.overtaken(); err != nil {
		return err
	}
	if err := r.sameRelease(); err != nil {
		return err
	}
	for _, n := range r.nodes {
		_, met := r.earlier(n)
		switch {
		case n.left:
			continue
		case n.to == "" && !r.join(n):
			n.left = n.probed
			continue
		}
		n.healthy = n.probed && n.facts.Runs(n.to)
		if !met && n.probed {
			n.halfWay()
		}
	}
	return nil
}

// join aims a node that no plan had, because it could not be reached. A rollback without a version concerns those that run what it undoes.
func (r *run) join(n *node) bool {
	n.to = r.release.ID
	if !r.Rollback || r.Version != "" {
		return true
	}
	undone := slices.ContainsFunc(r.Resume.Plan.Steps(), func(s plan.Step) bool { return n.probed && s.From == n.facts.Current })
	n.to = ""
	if undone {
		n.to = cmp.Or(n.facts.CurrentRecord().Previous, r.release.ID)
	}
	return undone
}

// earlier is what earlier runs of the deployment knew of a node; met: it was in a plan.
func (r *run) earlier(n *node) (earlier Earlier, met bool) {
	if r.Resume != nil {
		earlier, met = r.Resume.Nodes[n.Name]
	}
	return earlier, met
}

// sameRelease finds the release again that the deployment was for.
func (r *run) sameRelease() error {
	r.release = Release{ID: r.Resume.Release, Version: r.Version}
	if r.Rollback {
		r.release.Version = release.VersionOf(r.Resume.Release)
	} else {
		resolved, err := r.fleet.Resolve(r.soft, Wanted{Version: release.VersionOf(r.Resume.Release), Release: r.Resume.Release}, r.found())
		if err != nil {
			return err
		}
		r.release = resolved
	}
	r.tell(Event{Kind: Resolved, Release: r.release.ID, Resolved: &r.release})
	return nil
}

// overtaken finds a node that shows the work of somebody else: a later deployment, or a release that this one has nothing to do with.
func (r *run) overtaken() error {
	for _, n := range r.nodes {
		if !n.probed {
			continue
		}
		if by := n.facts.CurrentRecord().Deployment; by > r.ID {
			return &Stop{Why: Overtaken, Err: &OvertakenError{n.Name, "runs " + n.facts.Current + " since deployment " + by}}
		}
		if _, met := r.earlier(n); met && n.facts.Current != n.from && n.facts.Current != cmp.Or(n.to, r.Resume.Release) {
			return &Stop{Why: Overtaken, Err: &OvertakenError{n.Name, fmt.Sprintf("runs %s, which is neither what it ran before nor what it was to run", orNothing(n.facts.Current))}}
		}
	}
	return nil
}

func orNothing(id string) string {
	if id == "" {
		return "nothing"
	}
	return id
}

// newPlan plans what is left to do.
func (r *run) newPlan() plan.Plan {
	if r.Resume == nil {
		return plan.Make(r.request())
	}
	return plan.Continue(r.Resume.Plan, r.request(), r.Resume.left())
}

// left is what earlier runs left of the budget. Where more failed than may, the next run begins with none.
func (r *Resume) left() int { return max(0, r.Plan.MaxFailures-len(r.Spent)) }

// paid are the nodes that may fail again without a cost: earlier runs paid for them within the budget.
func (r *Resume) paid() []string {
	if r == nil || len(r.Spent) > r.Plan.MaxFailures {
		return nil
	}
	return r.Spent
}
