package rollout_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rollpin/rollpin/pkg/rollout"
)

var errKilled = errors.New("killed")

// rng draws for one thing that is done on a node, each time anew.
func (d *deployer) rng(node, what string) *rand.Rand {
	key := drawn{node, what}
	d.counts[key]++
	return rand.New(rand.NewPCG(mix(d.world.seed, uint64(d.number)), mix(hashed(node), hashed(what), uint64(d.counts[key]))))
}

func (d *deployer) draw(node, what string, p float64) bool {
	return p > 0 && d.rng(node, what).Float64() < p
}

// do does something on a node: effect changes the node, and is told how far it gets. The caller learns of it what a real one would.
func (d *deployer) do(ctx context.Context, node, op, id string, effect func(*simNode, far) error) error {
	w := d.world
	w.mu.Lock()
	n := w.byName[node]
	if d.dead {
		w.mu.Unlock()
		return errKilled
	}
	r := d.rng(node, op)
	fault, took, unseen := w.faults.pick(r), time.Millisecond+time.Duration(r.Int64N(int64(900*time.Millisecond))), far(r.IntN(3))
	refused := !n.reachable()
	if fault == faultHang {
		took = deadline
	}
	w.log(d, node, op, id, "begins")
	w.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(took):
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	err := d.end(ctx, n, fault, refused, unseen, effect)
	var guarded *rollout.GuardedError
	if errors.As(err, &guarded) && d.guardLost.IsZero() {
		d.guardLost = time.Now()
	}
	w.lines = append(w.lines, simLine{time.Since(w.began), d, node, op, id, "ends", err})
	return err
}

func (d *deployer) end(ctx context.Context, n *simNode, fault simFault, refused bool, unseen far, effect func(*simNode, far) error) error {
	switch {
	case refused:
		return cmp.Or(ctx.Err(), error(&rollout.Failure{Class: rollout.Unreachable, Text: "connection refused"}))
	case ctx.Err() != nil:
		_ = effect(n, unseen)
		return ctx.Err()
	case fault == faultFail:
		_ = effect(n, min(unseen, halfWay))
		return errors.New("it failed")
	case fault == faultHang:
		_ = effect(n, unseen)
		return errors.New("no end within its deadline")
	case fault == faultCut || !n.reachable():
		_ = effect(n, unseen)
		return &rollout.Failure{Class: rollout.Unreachable, Text: "connection lost"}
	}
	return effect(n, allTheWay)
}

// whole is an effect that happens or does not; read has none.
func whole(change func(*simNode)) func(*simNode, far) error {
	return func(n *simNode, f far) error {
		if f == allTheWay {
			change(n)
		}
		return nil
	}
}

func (d *deployer) Probe(ctx context.Context, node string) (facts rollout.Facts, err error) {
	err = d.do(ctx, node, "probe", "", whole(func(n *simNode) { facts = n.facts(d) }))
	if err != nil {
		return rollout.Facts{}, err
	}
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	d.busy = d.busy || facts.Busy != nil && d.planned == nil
	d.overtaken = d.overtaken || d.resume != nil && facts.CurrentRecord().Deployment > d.id
	return facts, nil
}

func (d *deployer) Same(a, b string) bool { return a == b }

func (d *deployer) Resolve(ctx context.Context, w rollout.Wanted, _ map[string]rollout.Facts) (rollout.Release, error) {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	if d.draw("", "resolve", d.world.faults.fail) {
		return rollout.Release{}, errors.New("the index is gone")
	}
	return rollout.Release{ID: cmp.Or(w.Release, d.of.wanted), Version: "any"}, ctx.Err()
}

func (d *deployer) Remembered(string, map[string]rollout.Facts) string { return "" }

func (d *deployer) Guard(ctx context.Context, node string) error {
	d.checkStage(node)
	return d.do(ctx, node, "guard", "", func(n *simNode, f far) error {
		if n.guard.foreign(d) {
			return d.refused(n)
		}
		if f == allTheWay {
			n.guard = simGuard{d.id, d.domain, d, time.Now()}
			d.guarded[node] = true
		}
		return nil
	})
}

// mine refuses what must not be done to a node of another deployment. Whoever changes a node has taken its guard before.
func (d *deployer) mine(n *simNode) error {
	if !d.guarded[n.name] {
		d.world.problem("%s works on %s without its guard", d, n.name)
	}
	if n.guard.deployment != d.id {
		return d.refused(n)
	}
	return nil
}

// refused is the answer of a node that is another deployment's.
func (d *deployer) refused(n *simNode) error {
	err := &rollout.GuardedError{Node: n.name}
	err.By.Deployment = n.guard.deployment
	return &rollout.Failure{Class: rollout.Failed, Text: err.Error(), Err: err}
}

func (d *deployer) Stage(ctx context.Context, node string, s rollout.StageTask) (rollout.Staged, error) {
	err := d.do(ctx, node, "stage", s.Release, func(n *simNode, f far) error {
		d.checkAnnounced(n, "stage", rollout.StepStage)
		switch {
		case n.damaged[s.Release] && n.current == s.Release:
			return errors.New("the release that is current cannot be used")
		case f == allTheWay:
			n.stage(s.Release, d.id)
			d.verified[node] = s.Release
		}
		return nil
	})
	return rollout.Staged{How: "built"}, err
}

func (d *deployer) Switch(ctx context.Context, node string, s rollout.Switch) error {
	d.checkSwitch(node, s)
	return d.do(ctx, node, "switch", s.To, func(n *simNode, f far) error {
		if err := d.mine(n); err != nil {
			return err
		}
		if _, there := n.records[s.To]; !there {
			return errors.New("the release is not on the node")
		}
		d.checkAnnounced(n, "switch", rollout.StepSwitch, rollout.StepRestore)
		if f != notAtAll {
			n.write(s)
		}
		if f == allTheWay {
			d.touch(n, n.current != s.To)
			n.link(s)
		}
		return nil
	})
}

func (d *deployer) Restart(ctx context.Context, node string) error {
	return d.do(ctx, node, "restart", "", func(n *simNode, f far) error {
		d.checkAnnounced(n, "restart", rollout.StepRestart, rollout.StepRestore)
		switch f {
		case halfWay:
			d.touch(n, true)
			n.process = ""
		case allTheWay:
			d.touch(n, true)
			n.process = n.current
		}
		return nil
	})
}

func (d *deployer) Healthy(ctx context.Context, node, id string) error {
	err := d.Check(ctx, node, id)
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	if err == nil {
		d.seen[node] = id
	}
	return err
}

func (d *deployer) Check(ctx context.Context, node, id string) error {
	return d.do(ctx, node, "health", id, func(n *simNode, _ far) error {
		if n.process != id || n.bad[id] || d.draw(node, "flaky", d.world.faults.flaky) {
			return &rollout.Failure{Class: rollout.Unhealthy, Text: fmt.Sprintf("runs %q, answers 500", n.process)}
		}
		return nil
	})
}

func (d *deployer) Confirm(ctx context.Context, node, id string) error {
	return d.do(ctx, node, "confirm", id, whole(func(n *simNode) {
		d.checkAnnounced(n, "confirm", rollout.StepConfirm, rollout.StepRestore, rollout.StepSwitch)
		if d.seen[node] != id && !n.good[id] {
			d.world.problem("%s confirms %s on %s, which was not seen healthy", d, id, node)
		}
		n.confirmed = id
		if !d.lockLost.IsZero() { // it was on the wire, and another deployment may be there already
			d.disturb(n)
		}
		if n.current == id {
			n.good[id] = true
		}
	}))
}

func (d *deployer) Withdraw(ctx context.Context, node string) (bool, error) {
	return true, d.do(ctx, node, "withdraw", "", func(n *simNode, f far) error {
		if err := d.mine(n); err != nil {
			return err
		}
		d.checkAnnounced(n, "withdraw", rollout.StepWithdraw)
		if f != notAtAll {
			d.touch(n, true)
			n.process = ""
		}
		if f == allTheWay {
			n.current, n.confirmed = "", ""
		}
		return nil
	})
}

func (d *deployer) Settle(ctx context.Context, node string, prune bool) error {
	d.world.mu.Lock()
	d.settled[node] = true
	d.world.mu.Unlock()
	return d.do(ctx, node, "settle", "", func(n *simNode, f far) error {
		if prune && f != notAtAll {
			n.prune(3)
		}
		if f == allTheWay && n.guard.deployment == d.id {
			n.guard = simGuard{}
		}
		return nil
	})
}
