package journal

import "github.com/rollpin/rollpin/pkg/rollout"

// from keeps what the first plan said.
func (n *Node) from(id string) {
	if !n.Planned {
		n.From, n.Planned = id, true
	}
}

// close ends the step in flight, if there is one. A record that was shared may have lost its steps.
func (n *Node) close(result Result, e rollout.Event) {
	if n.InFlight != "" && len(n.Steps) > 0 {
		step := &n.Steps[len(n.Steps)-1]
		step.Took, step.Result = e.Took, result
	}
	n.InFlight = ""
}

// apply takes in an event of one of the node's steps.
func (n *Node) apply(e rollout.Event, run int) {
	if e.Kind == rollout.StepStarted {
		n.start(e, run)
		return
	}
	n.end(e, run)
	if e.Kind == rollout.StepFailed {
		n.fail(e)
		return
	}
	switch e.Step {
	case rollout.StepProbe:
		if e.Release != "" {
			n.Runs, n.Known = e.Release, true
		}
	case rollout.StepStage:
		n.Staged = e.Staged
	case rollout.StepSwitch:
		n.Runs, n.Known = e.Release, true
	case rollout.StepConfirm:
		n.Healthy = true
	case rollout.StepRestore:
		n.Runs, n.Known, n.Restored = e.Release, true, true
	case rollout.StepWithdraw:
		n.Runs, n.Known = "", true
	}
}

func (n *Node) start(e rollout.Event, run int) {
	n.close(Cut, rollout.Event{})
	n.InFlight = e.Step
	n.Steps = append(n.Steps, Step{Step: e.Step, Run: run, Release: e.Release, Began: e.Time})
	switch e.Step {
	case rollout.StepSwitch, rollout.StepRestore, rollout.StepWithdraw:
		n.Runs, n.Known, n.Healthy, n.Restored, n.Stopped, n.Undo = "", false, false, false, false, nil
		if !n.Touched {
			n.Touched, n.TouchedIn = true, run
		}
	}
}

// end closes the step of an event; a failure while a wave bakes comes without a start.
func (n *Node) end(e rollout.Event, run int) {
	if n.InFlight != e.Step {
		n.start(e, run)
		n.Steps[len(n.Steps)-1].Began = e.Time.Add(-e.Took)
	}
	result := Done
	if e.Kind == rollout.StepFailed {
		result = Failed
	}
	n.close(result, e)
}

func (n *Node) fail(e rollout.Event) {
	if e.Step == rollout.StepRestore || e.Step == rollout.StepWithdraw {
		n.Undo = e.Failure
		return
	}
	n.Healthy = false
	if e.Step != rollout.StepProbe || n.Failure == nil { // that it cannot be reached now does not unmake how it failed before
		n.Failure = e.Failure
	}
}

// settle takes in what a run's outcome knows of the node. What the outcome does not know does not unmake what the steps told.
func (n *Node) settle(o *rollout.NodeOutcome, run int) {
	if o.Zone != "" {
		n.Zone = o.Zone
	}
	if o.Known {
		n.from(o.From)
		n.Runs, n.Known = o.Runs, true
		n.Restored = o.Restored || n.Restored && !o.Touched && o.Runs == n.From
		n.Healthy, n.Stopped = o.Healthy, o.Stopped
	}
	if o.To != "" {
		n.To = o.To
	}
	if !o.Touched && n.TouchedIn == run { // its switch failed before it changed anything
		n.Touched, n.TouchedIn = false, 0
	}
	n.Skipped = o.Left
	if o.Staged != nil {
		n.Staged = o.Staged
	}
	switch {
	case o.Failure != nil:
		n.Failure = o.Failure
	case o.Skipped != "" && n.Failure != nil && n.Failure.Step == rollout.StepProbe:
		n.Failure = nil // it was left out for that
	}
	if o.Undo != nil {
		n.Undo = o.Undo
	}
}
