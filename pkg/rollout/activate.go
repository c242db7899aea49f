package rollout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/plan"
)

// activate takes the waves one after the other; between them Decide says go on, halt or roll back.
func (r *run) activate() error {
	for i, wave := range r.plan.Waves {
		last := i == len(r.plan.Waves)-1
		if err := r.interrupted(); err != nil {
			return err
		}
		nodes := r.members(wave)
		r.tell(Event{Kind: WaveStarted, Wave: wave.Name, Number: i + 1, Waves: len(r.plan.Waves), Nodes: len(nodes)})
		r.each(nodes, r.activateNode)
		decision := r.judge(wave)
		if decision == GoOn && !last {
			r.bake(wave, nodes)
			decision = r.judge(wave)
		}
		r.tell(Event{Kind: WaveFinished, Wave: wave.Name, Number: i + 1, Waves: len(r.plan.Waves), Nodes: len(nodes)})
		if last && r.complete() {
			return nil
		}
		if err := r.interrupted(); err != nil {
			return err
		}
		if decision != GoOn {
			return r.stop(wave, decision)
		}
	}
	return nil
}

// complete tells whether every target runs its release: an interrupt that comes then comes too late to matter.
func (r *run) complete() bool {
	return len(r.selected(func(n *node) bool { return !n.healthy && !n.left })) == 0
}

func (r *run) members(wave plan.Wave) []*node {
	var nodes []*node
	for _, step := range wave.Steps {
		nodes = append(nodes, r.byName[step.Node])
	}
	return nodes
}

// activateNode takes one node to its release. A node that fails, or that an interrupt finds half way, goes back at once to what it ran.
func (r *run) activateNode(n *node) {
	if r.mayBegin() != nil {
		return
	}
	err := r.bringUp(n)
	if err == nil {
		r.update(n, func(n *node) { n.healthy, n.runs = true, n.to })
		return
	}
	if !n.begun {
		return // its switch could not be announced, or not in time: there is nothing to put back
	}
	interrupted := isInterrupt(err)
	if !interrupted {
		r.update(n, func(n *node) { n.failure = failureOf(StepHealth, err) })
	}
	var guarded *GuardedError
	if errors.As(err, &guarded) { // another deployment took the node over: nothing new is begun anywhere
		r.lose(guarded)
	}
	if r.neverSwitched(n, err) {
		return
	}
	if interrupted || r.plan.OnFailure == "rollback" {
		r.putBack(n)
	}
}

// mayBegin returns why no further node may be touched, or nil.
func (r *run) mayBegin() error {
	if err := r.interrupted(); err != nil {
		return err
	}
	if r.overBudget() {
		return &Stop{Why: OverBudget, Err: errors.New("the budget is spent")}
	}
	return nil
}

// neverSwitched tells whether a node whose switch failed still runs what it ran before, so that there is nothing to put back.
func (r *run) neverSwitched(n *node, err error) bool {
	var failure *Failure
	if !errors.As(err, &failure) || failure.Step != StepSwitch {
		return false
	}
	facts, err := r.fleet.Probe(r.safe, n.Name)
	if err != nil || facts.Current != n.facts.Current {
		return false
	}
	r.update(n, func(n *node) { n.touched, n.doubtful = n.touchedBefore, false })
	if was := n.facts.Confirmed; was != "" && facts.Confirmed == "" {
		// The mark went before the switch failed. Without it the node only looks unconfirmed, and the next run will see to that.
		_ = r.fleet.Confirm(r.safe, n.Name, was)
	}
	return true
}

// bringUp switches, restarts and waits for health. The waiting ends with an interrupt; a switch or restart that has begun gets a moment more.
func (r *run) bringUp(n *node) error {
	err := r.step(r.flight, n, StepSwitch, n.to, func(ctx context.Context) error {
		r.update(n, func(n *node) { n.begun, n.touched, n.doubtful, n.restored = true, true, true, false })
		return r.fleet.Switch(ctx, n.Name, r.switchOf(n))
	})
	if err != nil {
		return err
	}
	r.update(n, func(n *node) { n.runs, n.doubtful = n.to, false })
	if err := r.step(r.flight, n, StepRestart, n.to, func(ctx context.Context) error { return r.fleet.Restart(ctx, n.Name) }); err != nil {
		return err
	}
	err = r.step(r.soft, n, StepHealth, n.to, func(ctx context.Context) error { return r.fleet.Healthy(ctx, n.Name, n.to) })
	if err != nil {
		return err
	}
	return r.step(r.flight, n, StepConfirm, n.to, func(ctx context.Context) error { return r.confirm(ctx, n) })
}

// switchOf is how a node comes to its release. A rollback leaves the records of releases as they are: it undoes an activation and is none, so
// that what is left of one can be rolled back later; and it needs no room on the disk, which may be full of what it undoes.
func (r *run) switchOf(n *node) Switch {
	if r.Rollback {
		return Switch{To: n.to}
	}
	return Switch{To: n.to, Deployment: r.ID, Previous: n.predecessor(), KeepPrevious: n.from == n.to}
}

// confirm writes down that a node is healthy. Where a rollback cannot, the node is back all the same.
func (r *run) confirm(ctx context.Context, n *node) error {
	err := r.fleet.Confirm(ctx, n.Name, n.to)
	if err == nil || !r.Rollback {
		return err
	}
	r.tellUnconfirmed(n, err)
	return nil
}

func (r *run) judge(wave plan.Wave) Decision {
	tally := Tally{
		Failures: r.failures(), Budget: r.plan.MaxFailures,
		Wave: len(wave.Steps), MustPass: wave.MustPass, OnFailure: r.plan.OnFailure,
	}
	for _, n := range r.members(wave) {
		if n.failure != nil {
			tally.WaveFailures++
		}
	}
	return Decide(tally)
}

// bakeInterval is how often a baking wave is looked at, at most.
const bakeInterval = 2 * time.Second

// bake watches a wave, every node of it, for as long as the strategy wants it to stay healthy.
func (r *run) bake(wave plan.Wave, nodes []*node) {
	if r.plan.Bake == 0 || r.interrupted() != nil {
		return
	}
	r.tell(Event{Kind: BakeStarted, Wave: wave.Name, Nodes: len(nodes), Text: r.plan.Bake.String()})
	end := time.Now().Add(r.plan.Bake)
	var watchers sync.WaitGroup
	for _, n := range nodes {
		if n.healthy {
			watchers.Go(func() { r.bakeNode(n, end) })
		}
	}
	watchers.Wait()
}

func (r *run) bakeNode(n *node, end time.Time) {
	failure := r.watch(n, end)
	if failure == nil {
		return
	}
	r.tell(Event{Kind: StepFailed, Node: n.Name, Step: StepBake, Release: n.to, Failure: failure})
	r.update(n, func(n *node) { n.healthy, n.failure = false, failure })
	if r.plan.OnFailure == "rollback" {
		r.putBack(n)
	}
}

// watch looks at a node until end, and once more at the end. Two looks in a row that fail make it a failure, of the class of the second.
func (r *run) watch(n *node, end time.Time) *Failure {
	pause := min(bakeInterval, r.plan.Bake/4)
	for strikes := 0; strikes > 0 || time.Now().Before(end); {
		select {
		case <-r.soft.Done():
			return nil
		case <-time.After(pause):
		}
		err := r.fleet.Check(r.soft, n.Name, n.to)
		switch {
		case r.interrupted() != nil:
			return nil
		case err == nil:
			strikes = 0
		case strikes == 0:
			strikes = 1
		default:
			return failureOf(StepBake, err)
		}
	}
	return nil
}

// stop ends the deployment after a wave, rolling back if so decided.
func (r *run) stop(wave plan.Wave, decision Decision) error {
	failed := r.failures()
	reason := fmt.Sprintf("%d failed, the budget is %d", failed, r.plan.MaxFailures)
	if failed <= r.plan.MaxFailures {
		reason = fmt.Sprintf("the %s failed as a whole", wave.Name)
	}
	r.tell(Event{Kind: Decided, Decision: decision, Wave: wave.Name, Text: reason})
	if decision == RollBack {
		r.undo()
	}
	return &Stop{Why: OverBudget, Err: fmt.Errorf("stopped after %s: %s", wave.Name, reason)}
}
