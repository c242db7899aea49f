package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollpin/rollpin/pkg/lock"
)

// GuardTTL is how long a node's guard holds after its deployment was last seen there, by the node's clock; long waits between waves renew it.
const GuardTTL = 10 * time.Minute

// GuardedError says that a node belongs to another deployment.
type GuardedError struct {
	Node string
	By   lock.Holder
	// Service and Environment are for the next command.
	Service, Environment string
}

// Error names both.
func (e *GuardedError) Error() string {
	return fmt.Sprintf("%s is in the hands of another deployment: %s", e.Node, e.By)
}

// Hint says how that ends.
func (e *GuardedError) Hint() string {
	return fmt.Sprintf("it shares no lock with this one; wait until it ends. If it is dead, its hold on the node ends %.0f minutes after its last step there; "+
		"or take the node back: rollpin unlock %s -e %s --nodes", GuardTTL.Minutes(), cmp.Or(e.Service, "SERVICE"), cmp.Or(e.Environment, "ENV"))
}

// guard takes the node's own guard, which keeps deployments apart that share no lock.
func (r *run) guard(ctx context.Context, n *node) error {
	r.update(n, func(n *node) { n.asked = true })
	err := r.fleet.Guard(ctx, n.Name)
	if err == nil {
		r.update(n, func(n *node) { n.guarded = true })
	}
	return err
}

// guardedElsewhere is the end of a deployment that met another one on some node.
func (r *run) guardedElsewhere() error {
	for _, n := range r.nodes {
		var guarded *GuardedError
		if n.facts.Busy != nil {
			guarded = &GuardedError{Node: n.Name, By: *n.facts.Busy}
		}
		if guarded != nil || n.failure != nil && errors.As(n.failure.Err, &guarded) {
			guarded.Service, guarded.Environment = r.Service, r.Environment
			return &Stop{Why: Locked, Err: guarded}
		}
	}
	return nil
}

// keepGuards renews the guards for as long as the run lasts; one that was lost ends it.
func (r *run) keepGuards() (end func()) {
	ctx, cancel := context.WithCancel(r.soft)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(GuardTTL / 4)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			r.each(r.guarded(), func(n *node) {
				var guarded *GuardedError
				if errors.As(r.fleet.Guard(ctx, n.Name), &guarded) {
					r.lose(guarded)
				}
			})
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
