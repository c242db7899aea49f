package rollout

import (
	"cmp"
	"slices"

	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/release"
	"golang.org/x/sync/errgroup"
)

// node is what the run knows of one target. Fields are guarded by run.mu once the run works on nodes side by side.
type node struct {
	inventory.Node
	facts  Facts
	probed bool
	// from and to are the releases before and after; runs is the one that the node runs now.
	from, to, runs string
	// previous is what an earlier run found to be the last healthy release, where from was not; else empty.
	previous string
	// touched is set before the node's running service is first affected; touchedBefore: an earlier run of the deployment did that. begun: this one
	// began to switch it.
	touched, touchedBefore, begun bool
	// doubtful: a switch neither succeeded nor was seen to have failed, so that runs may be wrong.
	doubtful bool
	// stopped: the service was stopped because it had no release to go back to.
	stopped bool
	// healthy: runs to, confirmed. restored: was touched and runs from again. left: has no step to take. guarded: is this deployment's.
	// asked: its guard was asked for, and may be this deployment's although the answer was lost.
	healthy, restored, left, guarded, asked bool
	// over: the deployment came to its end there in an earlier run.
	over bool
	// skipped is why the node was left out, if it cannot be reached.
	skipped string
	failure *Failure
	staged  *Staged
	// undo is why the node could not be put back.
	undo *Failure
}

// remember takes over what earlier runs knew of a node.
func (n *node) remember(earlier Earlier) {
	n.from, n.previous, n.to = earlier.From, earlier.Previous, earlier.To
	n.touched, n.touchedBefore, n.over = earlier.Touched, earlier.Touched, earlier.Over
}

// meet takes in what was found on a node. One that an earlier run met with a release, and that has none now, was made anew since.
func (n *node) meet(facts Facts, met bool) {
	n.probed, n.facts, n.runs = true, facts, facts.Current
	if !met || facts.Current == "" && n.from != "" {
		n.remember(Earlier{From: facts.Current, To: n.to})
	}
	n.restored = n.touched && n.from != n.to && facts.Runs(n.from)
}

// predecessor is what a later rollback returns the node to: what it ran, if that was healthy, else what it ran before.
func (n *node) predecessor() string {
	if n.touchedBefore { // what it was like before the earlier run cannot be seen any more
		return cmp.Or(n.previous, n.from)
	}
	record := n.facts.CurrentRecord()
	if n.from == n.facts.Current && n.facts.Confirmed != n.from && n.facts.Has(record.Previous) && !n.wellBefore(record) {
		return record.Previous
	}
	return n.from
}

// wellBefore tells whether the current release was healthy before, and only came back unseen: a later deployment took it for its predecessor.
func (n *node) wellBefore(current release.Record) bool {
	for _, later := range n.facts.Records {
		if later.Previous == current.ID && later.Deployment > current.Deployment {
			return true
		}
	}
	return false
}

// known tells whether runs can be relied on.
func (n *node) known() bool { return n.probed && !n.doubtful }

// each calls do for every node, at most Parallel at once, and waits for all.
func (r *run) each(nodes []*node, do func(*node)) {
	var group errgroup.Group
	group.SetLimit(max(1, r.Parallel))
	for _, n := range nodes {
		group.Go(func() error { do(n); return nil })
	}
	_ = group.Wait() // do has no error: each node keeps its own
}

// update changes what is known of a node.
func (r *run) update(n *node, change func(*node)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(n)
}

// selected returns the nodes for which keep holds.
func (r *run) selected(keep func(*node) bool) []*node {
	r.mu.Lock()
	defer r.mu.Unlock()
	var nodes []*node
	for _, n := range r.nodes {
		if keep(n) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (r *run) failed() []*node {
	return r.selected(func(n *node) bool { return n.failure != nil })
}

// failures are the failed nodes that the budget has not paid for in an earlier run.
func (r *run) failures() int {
	paid := r.Resume.paid()
	return len(r.selected(func(n *node) bool { return n.failure != nil && !slices.Contains(paid, n.Name) }))
}

func (r *run) overBudget() bool { return r.failures() > r.plan.MaxFailures }

// guarded are the nodes whose guard this deployment has.
func (r *run) guarded() []*node {
	return r.selected(func(n *node) bool { return n.guarded })
}

// asked are the nodes whose guard this deployment may have.
func (r *run) asked() []*node {
	return r.selected(func(n *node) bool { return n.asked })
}

// found returns the facts of all nodes that answered.
func (r *run) found() map[string]Facts {
	found := map[string]Facts{}
	for _, n := range r.nodes {
		if n.probed {
			found[n.Name] = n.facts
		}
	}
	return found
}
