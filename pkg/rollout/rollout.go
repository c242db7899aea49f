// Package rollout takes the nodes of a service to a release: preflight, stage, activate wave by wave, settle. It is a state machine over
// the small interface Fleet; what happens is told in events.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/lock"
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
	// SkipUnreachable leaves nodes out that cannot be reached in preflight: they are no targets then.
	SkipUnreachable bool
	// Release is the id to take nodes to, whatever the index says of Version now; empty to find out.
	Release string
	// Resume is what an earlier run of the same deployment left; nil for a new one.
	Resume *Resume
	// Undo is a deployment that did not come to its end: a rollback without a version undoes that one, and not the last activation that the nodes
	// tell of. Nil for none.
	Undo *Resume
	// Undoes is the id of that deployment.
	Undoes string
	// By runs the deployment, Asked is what was asked of it: both are for the record.
	By    lock.Holder
	Asked Asked
	// Confirm is asked once the plan is made; nil goes on without asking.
	Confirm func(plan.Plan) bool
}

// After an interrupt, steps in flight may take prompt to end by themselves; then the node is put back. At grace after the interrupt all is
// over: Jenkins kills 5 s after SIGTERM.
const (
	prompt = 1500 * time.Millisecond
	grace  = 4 * time.Second
)

// Run carries out d on the nodes of fleet and tells sink every event, one at a time, once journal, which may be nil, has it. When soft is
// done nothing new is started and the nodes in flight are brought to a safe end within 4 seconds; when ctx is done everything stops at once.
// A journal that cannot be written any more is as good as an end of soft.
func Run(ctx, soft context.Context, d Deployment, fleet Fleet, journal Journal, sink func(Event)) Outcome {
	r := newRun(ctx, soft, d, fleet, sink)
	r.journal = journal
	defer r.end()
	r.tell(r.first())
	untold := context.AfterFunc(r.soft, func() { r.tell(Event{Kind: Interrupting, Text: context.Cause(r.soft).Error()}) })
	defer untold()
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

	mu      sync.Mutex // guards what the nodes know of themselves, and the order of events
	journal Journal
	sink    func(Event)
	ended   bool
	// lose ends soft for a reason of the run's own.
	lose context.CancelCauseFunc
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
	r.soft, r.flight, r.safe, r.lose = both, flight, safe, endBoth
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
		if earlier, met := r.earlier(n); met {
			n.remember(earlier)
		}
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
	end := r.keepGuards()
	err := r.stage()
	if err == nil && !r.StageOnly {
		err = r.activate()
	}
	end()
	r.settle(err)
	return err
}

// interrupted returns why nothing new may start, or nil.
func (r *run) interrupted() error {
	if r.soft.Err() == nil {
		return nil
	}
	return &Stop{Why: Interrupted, Err: context.Cause(r.soft)}
}

// settle gives the nodes' guards back and removes old releases, after a failure in the waves too: what failed is staged all the same, and fills
// the disk. What cannot be done is told, and fails nothing. After an interrupt there is time for the guards alone.
func (r *run) settle(err error) {
	var stop *Stop
	early := errors.As(err, &stop) && (stop.Why == Staging || stop.Why == Locked)
	prune := !r.Rollback && !r.StageOnly && !early
	there := slices.DeleteFunc(r.asked(), func(n *node) bool { return n.failure != nil && n.failure.Class == Unreachable })
	r.each(there, func(n *node) {
		prune := prune && n.known() && n.undo == nil && r.interrupted() == nil
		if err := r.fleet.Settle(r.safe, n.Name, prune); err != nil && r.interrupted() == nil && n.known() {
			what := "it stays in the hands of this deployment for a while"
			if prune {
				what = "old releases stay"
			}
			r.tell(Event{Kind: Note, Node: n.Name, Text: fmt.Sprintf("%s: %v", what, err)})
		}
	})
}
