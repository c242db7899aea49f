// Package rollout takes the nodes of a service to a release: preflight, stage, activate wave by wave, settle. It is a state machine over
// the small interface Fleet; what happens is told in events.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/plan"
)

// Deployment is one request to take nodes to a release.
type Deployment struct {
	// ID sorts by time.
	ID string
	// Rollback asks for an earlier release: Version, or what the nodes ran before their last deployment.
	Rollback             bool
	Service, Environment string
	// Version is what was asked for; empty for the newest, or for the predecessor in a rollback.
	Version  string
	Nodes    []inventory.Node
	Strategy config.Strategy
	// StageOnly ends when the release is staged on every node.
	StageOnly bool
	// DryRun ends after the plan was made; nothing is written on any node.
	DryRun bool
	// Parallel bounds how many nodes are worked on at once; 1 or more.
	Parallel int
	// Confirm is asked once the plan is made; nil goes on without asking.
	Confirm func(plan.Plan) bool
}

// After an interrupt, steps in flight may take prompt to end by themselves; then the node is put back. At grace after the interrupt all is
// over: Jenkins kills 5 s after SIGTERM.
const (
	prompt = 1500 * time.Millisecond
	grace  = 4 * time.Second
)

// Run carries out d on the nodes of fleet and tells sink every event, one at a time. When soft is done nothing new is started and
// the nodes in flight are brought to a safe end within 4 seconds; when ctx is done everything stops at once.
func Run(ctx, soft context.Context, d Deployment, fleet Fleet, sink func(Event)) Outcome {
	r := newRun(ctx, soft, d, fleet, sink)
	defer r.end()
	r.tell(Event{Kind: Started, Text: d.Version, Nodes: len(d.Nodes)})
	context.AfterFunc(r.soft, func() { r.tell(Event{Kind: Interrupting, Text: context.Cause(r.soft).Error()}) })
	err := r.deploy()
	outcome := r.outcome(err)
	r.tell(Event{Kind: Finished, Outcome: &outcome, Took: outcome.Took})
	return outcome
}

type run struct {
	Deployment
	fleet Fleet
	began time.Time

	// soft forbids anything new; flight ends what is in flight, prompt after soft; safe ends the way back, grace after soft.
	soft, flight, safe context.Context
	end                func()

	release Release
	plan    plan.Plan
	nodes   []*node
	byName  map[string]*node

	mu    sync.Mutex // guards what the nodes know of themselves, and the order of events
	sink  func(Event)
	ended bool
}

func newRun(ctx, soft context.Context, d Deployment, fleet Fleet, sink func(Event)) *run {
	if d.StageOnly { // staging knows no waves
		d.Strategy.Canary, d.Strategy.Batch = config.Size{}, config.Size{N: 100, Percent: true}
	}
	r := &run{Deployment: d, fleet: fleet, sink: sink, began: time.Now(), byName: map[string]*node{}}
	both, endBoth := context.WithCancelCause(ctx)
	unlink := context.AfterFunc(soft, func() { endBoth(context.Cause(soft)) })
	flight, endFlight := after(ctx, both, prompt)
	safe, endSafe := after(ctx, both, grace)
	r.soft, r.flight, r.safe = both, flight, safe
	r.end = func() {
		unlink()
		endFlight()
		endSafe()
		endBoth(nil)
	}
	for _, target := range d.Nodes {
		n := &node{Node: target}
		r.nodes = append(r.nodes, n)
		r.byName[target.Name] = n
	}
	return r
}

// after derives a context from ctx that ends some time after soft, with soft's cause; end releases it at once.
func after(ctx, soft context.Context, d time.Duration) (derived context.Context, end func()) {
	derived, cancel := context.WithCancelCause(ctx)
	unlink := context.AfterFunc(soft, func() {
		select {
		case <-time.After(d):
			cancel(context.Cause(soft))
		case <-derived.Done():
		}
	})
	return derived, func() {
		unlink()
		cancel(nil)
	}
}

// deploy is the four parts of a deployment, in order; its error is why it ended before the last.
func (r *run) deploy() error {
	if err := r.preflight(); err != nil {
		return err
	}
	if err := r.makePlan(); err != nil {
		return err
	}
	if len(r.plan.Waves) == 0 || r.DryRun {
		return nil
	}
	if r.Confirm != nil && !r.Confirm(r.plan) {
		return &Stop{Why: Declined, Err: errors.New("not confirmed")}
	}
	if err := r.stage(); err != nil || r.StageOnly {
		return err
	}
	err := r.activate()
	r.settle()
	return err
}

// interrupted returns why nothing new may start, or nil.
func (r *run) interrupted() error {
	if r.soft.Err() == nil {
		return nil
	}
	return &Stop{Why: Interrupted, Err: context.Cause(r.soft)}
}

// settle removes old releases, also after a failure: what failed is staged all the same, and fills the disk. What cannot be removed is
// told, and fails nothing.
func (r *run) settle() {
	if r.Rollback || r.interrupted() != nil {
		return
	}
	r.each(r.planned(), func(n *node) {
		if !n.known() {
			return
		}
		if err := r.fleet.Prune(r.soft, n.Name); err != nil && r.interrupted() == nil {
			r.tell(Event{Kind: Note, Node: n.Name, Text: fmt.Sprintf("old releases stay: %v", err)})
		}
	})
}
