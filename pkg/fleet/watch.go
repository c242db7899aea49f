package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/rollpin/rollpin/pkg/restart"
	"github.com/rollpin/rollpin/pkg/rollout"
)

const (
	// watchEvery is the time between looks at the service while its health is waited for: a node that becomes healthy at once is not asked.
	watchEvery = 2 * time.Second
	// processesOfACrash is how many main processes a service shows that dies and is started again. Two may be a handover.
	processesOfACrash = 3
)

// watchHealth runs wait, and ends it when the service manager says that the service is dead: a health deadline of minutes is for a slow
// start, not for one that has failed already.
func (f *Fleet) watchHealth(ctx context.Context, n *node, wait func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		look := func(ctx context.Context) restart.State {
			state, _ := f.serviceState(ctx, n) // whoever waits for health sees the fault of the connection
			return state
		}
		if reason := died(ctx, look); reason != "" {
			cancel(&rollout.Failure{Class: rollout.Failed, Text: reason})
		}
	}()
	err := wait(ctx)
	cancel(nil)
	<-watched
	return err
}

// died looks at a service until ctx ends, and says how it died.
func died(ctx context.Context, look func(context.Context) restart.State) string {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	seen := map[int]bool{}
	for {
		select {
		case <-ctx.Done():
			return ""
		case <-ticker.C:
		}
		switch state := look(ctx); {
		case ctx.Err() != nil:
			return ""
		case state.Name == "failed":
			return "the service died while its health was waited for"
		case state.PID != 0:
			seen[state.PID] = true
		}
		if len(seen) >= processesOfACrash {
			return fmt.Sprintf("the service keeps dying and being started again: %d processes while its health was waited for", len(seen))
		}
	}
}

// changed is what became of the process that was confirmed, if it is not the one that runs, or of the node. Where health checks watch the
// node and no process was seen, there is nothing to ask.
func (f *Fleet) changed(ctx context.Context, n *node) *rollout.Failure {
	if n.confirmed.PID == 0 && len(f.service.Health.Checks) > 0 {
		return nil
	}
	now, err := f.serviceState(ctx, n)
	switch {
	case err != nil:
		return lost(n.Name, err)
	case now.Name == "failed", now.Name == "stopped":
		return &rollout.Failure{Class: rollout.Unhealthy, Text: "the service is " + now.Name}
	case now.PID != 0 && n.confirmed.PID != 0 && now.PID != n.confirmed.PID:
		return &rollout.Failure{Class: rollout.Unhealthy, Text: "the service was started again after it had become healthy"}
	}
	return nil
}

// serviceState is unknown where it cannot be asked.
func (f *Fleet) serviceState(ctx context.Context, n *node) (restart.State, error) {
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Restart)
	defer cancel()
	result, err := n.conn.Run(ctx, restart.Probe(f.service.Restart))
	if err != nil {
		return restart.State{Name: "unknown"}, err
	}
	return restart.ParseState(result.Facts()), nil
}
