package health

import (
	"context"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
)

const (
	// A round may take five intervals, but within these bounds.
	shortestRound = time.Second
	longestRound  = 5 * time.Second
	// loginRound is for asking again after a fault of the node: an SSH log-in to a busy one can take ten seconds.
	loginRound = 15 * time.Second
)

// Wait asks until every check has passed in h.Passes rounds in a row, h.Interval apart. A failing check sets the count back to zero. It
// returns nil when the service is well, and at once if there are no checks.
//
// A round may take five intervals, but at least one second and at most five. At h.Timeout, counted from the call, the error is an
// *UnhealthyError. A node that cannot be asked is not waited for: it is asked once more at once, since that makes a lost connection anew, and
// then its own error is returned. The end of ctx ends Wait with ctx's error.
func Wait(ctx context.Context, n Node, h config.Health, want Want) error {
	if len(h.Checks) == 0 {
		return nil
	}
	probes, err := newProbes(n, h.Checks, want)
	if err != nil {
		return err
	}
	deadline, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	w := &wait{probes: probes, health: h, started: time.Now()}
	err = w.run(deadline)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// wait is one Wait under way.
type wait struct {
	probes  []probe
	health  config.Health
	started time.Time
	passes  int      // rounds passed in a row up to now
	best    int      // the most that passes ever was
	failure []result // the last round that failed
	last    []result // the last round, as long as none failed
}

func (w *wait) run(ctx context.Context) error {
	limit := min(max(5*w.health.Interval, shortestRound), longestRound)
	for {
		results := round(ctx, w.probes, limit)
		if faultOf(results) != nil && ctx.Err() == nil {
			results = round(ctx, w.probes, loginRound)
		}
		if fault := faultOf(results); fault != nil {
			return fault
		}
		w.count(results, ctx.Err() != nil)
		if w.passes >= max(w.health.Passes, 1) {
			return nil
		}
		if !sleep(ctx, w.health.Interval) {
			return w.unhealthy()
		}
	}
}

// count takes in a round. A failure is remembered until the next one, so that a service that comes and goes does not hide it; but what the
// deadline cut short tells less than a failure before it.
func (w *wait) count(results []result, cut bool) {
	if allPassed(results) {
		w.passes++
		w.best = max(w.best, w.passes)
		if w.failure == nil {
			w.last = results
		}
		return
	}
	w.passes = 0
	if w.failure == nil || !cut {
		w.failure = results
	}
}

func (w *wait) unhealthy() error {
	e := &UnhealthyError{Passes: w.best, AtEnd: w.passes, Wanted: w.health.Passes, Elapsed: time.Since(w.started)}
	results := w.failure
	if results == nil {
		results = w.last
	}
	for i, r := range results {
		e.Answers = append(e.Answers, r.answer(w.health.Checks[i]))
	}
	return e
}

// sleep reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
