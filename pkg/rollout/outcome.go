package rollout

import (
	"context"
	"errors"
	"time"

	"github.com/rollpin/rollpin/pkg/plan"
)

// Status is how a deployment ended.
type Status string

// The statuses.
const (
	// Succeeded: every target runs the release.
	Succeeded Status = "succeeded"
	// Unchanged: every target ran it already.
	Unchanged Status = "unchanged"
	// AllStaged: the release is staged on every target that does not run it, and that was all that was asked for.
	AllStaged Status = "staged"
	// DryRun: preflight and plan went well, and that was all that was asked for.
	DryRun Status = "dry run"
	// Untouched: it ended before any running service was touched.
	Untouched Status = "untouched"
	// Restored: it failed, and every node it touched runs what it ran before.
	Restored Status = "restored"
	// Mixed: the targets do not all run what they ran before, nor all the release.
	Mixed Status = "mixed"
)

// Outcome is the truth about the fleet after a deployment.
type Outcome struct {
	Status Status `json:"status"`
	// Interrupted is why an interrupt ended the deployment, or empty.
	Interrupted string `json:"interrupted,omitempty"`
	// Reason is why it ended early, or empty.
	Reason string `json:"reason,omitempty"`
	// Hint is what to do about it, Log the last lines of the command that failed.
	Hint string   `json:"hint,omitempty"`
	Log  []string `json:"log,omitempty"`
	// Err is the error behind Reason; nil for a deployment that came to its end.
	Err error `json:"-"`
	// Why it ended early; empty for a deployment that came to its end.
	Why      Why           `json:"why,omitempty"`
	Problems []NodeProblem `json:"problems,omitempty"`
	Rollback bool          `json:"rollback,omitempty"`
	// Wanted is the version that was asked for; empty for the newest, or for the predecessor in a rollback.
	Wanted  string        `json:"wanted,omitempty"`
	Release Release       `json:"release"`
	Plan    plan.Plan     `json:"plan"`
	Nodes   []NodeOutcome `json:"nodes"`
	// Took is in nanoseconds.
	Took time.Duration `json:"took"`
}

// NodeOutcome is the truth about one node.
type NodeOutcome struct {
	Node string `json:"node"`
	Zone string `json:"zone,omitempty"`
	// From and To are the releases before the deployment and wanted by it.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Known: the node answered. Runs is the release that is current now, as far as is known; empty for none.
	Known bool   `json:"known,omitempty"`
	Runs  string `json:"runs,omitempty"`
	// Touched: its running service was affected. Restored: and it runs From again.
	Touched  bool `json:"touched,omitempty"`
	Restored bool `json:"restored,omitempty"`
	// Stopped: it had no earlier release, and its service was stopped.
	Stopped bool `json:"stopped,omitempty"`
	// Healthy: it runs To, and was seen healthy.
	Healthy bool `json:"healthy,omitempty"`
	// Left: the deployment had nothing to do there, and does not answer for it. Skipped is why it could not be reached, if that is the reason.
	Left    bool   `json:"left,omitempty"`
	Skipped string `json:"skipped,omitempty"`
	// Staged is how the release came to the node; nil where it did not.
	Staged  *Staged  `json:"staged,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
	// Undo is why the node could not be put back.
	Undo *Failure `json:"undo,omitempty"`
}

func (r *run) outcome(err error) Outcome {
	o := Outcome{Rollback: r.Rollback, Wanted: r.Version, Release: r.release, Plan: r.plan, Err: err, Took: time.Since(r.began)}
	for _, n := range r.nodes {
		o.Nodes = append(o.Nodes, NodeOutcome{
			Node: n.Name, Zone: n.Zone, From: n.from, To: n.to, Known: n.known(), Runs: n.runs,
			Touched: n.touched, Restored: n.restored, Stopped: n.stopped, Healthy: n.healthy, Left: n.left, Skipped: n.skipped, Staged: n.staged, Failure: n.failure, Undo: n.undo,
		})
	}
	o.explain(err)
	if r.soft.Err() != nil {
		o.Interrupted = context.Cause(r.soft).Error()
	}
	o.Status = r.status(err, o.Nodes)
	return o
}

func (o *Outcome) explain(err error) {
	if err == nil {
		return
	}
	o.Reason = err.Error()
	var stop *Stop
	if errors.As(err, &stop) {
		o.Why, o.Problems = stop.Why, stop.Problems
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		o.Hint = hinted.Hint()
	}
	var failure *Failure
	if errors.As(err, &failure) {
		o.Hint, o.Log = failure.Hint, failure.Log
	}
}

func (r *run) status(err error, nodes []NodeOutcome) Status {
	touched, restored, done, targets := 0, 0, 0, 0
	for _, n := range nodes {
		if n.Left && !n.Touched { // an earlier run answers for what it touched, also where this one leaves it out
			continue
		}
		targets++
		if n.Touched {
			touched++
		}
		if n.Restored {
			restored++
		}
		if n.Healthy {
			done++
		}
	}
	switch {
	case done == targets && touched == 0 && err == nil:
		return Unchanged
	case done == targets && err == nil:
		return Succeeded
	case r.DryRun && err == nil:
		return DryRun
	case r.StageOnly && err == nil:
		return AllStaged
	case touched == 0 && err == nil:
		return Mixed // the others ran it already
	case touched == 0:
		return Untouched
	case restored == touched:
		return Restored
	default:
		return Mixed
	}
}
