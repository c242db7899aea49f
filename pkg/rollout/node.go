package rollout

import (
	"github.com/rollpin/rollpin/pkg/inventory"
	"golang.org/x/sync/errgroup"
)

// node is what the run knows of one target. Fields are guarded by run.mu once the run works on nodes side by side.
type node struct {
	inventory.Node
	facts  Facts
	probed bool
	// from and to are the releases before and after; runs is the one that the node runs now.
	from, to, runs string
	// touched is set before the node's running service is first affected.
	touched bool
	// healthy: runs to, confirmed. restored: was touched and runs from again. left: has no step to take.
	healthy, restored, left bool
	failure                 *Failure
	// undo is why the node could not be put back.
	undo *Failure
}

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

// activated returns the nodes that this deployment took to the release and saw healthy.
func (r *run) activated() []*node {
	return r.selected(func(n *node) bool { return n.touched && n.healthy })
}

func (r *run) failed() []*node {
	return r.selected(func(n *node) bool { return n.failure != nil })
}

func (r *run) overBudget() bool { return len(r.failed()) > r.plan.MaxFailures }

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
