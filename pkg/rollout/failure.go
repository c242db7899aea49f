package rollout

import (
	"cmp"
	"errors"
)

// Class tells failures of nodes apart.
type Class string

// The classes of failure.
const (
	// Unreachable: no connection, or it was lost.
	Unreachable Class = "unreachable"
	// Failed: a step ran and failed.
	Failed Class = "failed"
	// Unhealthy: the release runs but did not become or stay healthy.
	Unhealthy Class = "unhealthy"
)

// Failure is why a node failed.
type Failure struct {
	Class Class `json:"class"`
	// Step is where.
	Step Step `json:"step"`
	// Text is the error in one line, Hint what to do about it.
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
	// Log holds the last lines of what the service or the step printed.
	Log []string `json:"log,omitempty"`
	// Err is the error behind Text.
	Err error `json:"-"`
}

// Error is Text.
func (f *Failure) Error() string { return f.Text }

// Unwrap returns the error behind the text.
func (f *Failure) Unwrap() error { return f.Err }

// failureOf makes a Failure of any error; step is where it happened, unless the error knows.
func failureOf(step Step, err error) *Failure {
	var failure *Failure
	if errors.As(err, &failure) {
		copied := *failure
		copied.Step = cmp.Or(failure.Step, step)
		return &copied
	}
	failure = &Failure{Class: Failed, Step: step, Text: err.Error(), Err: err}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		failure.Hint = hinted.Hint()
	}
	return failure
}

// Why says what ended a deployment before its last part.
type Why string

// The reasons.
const (
	Preflight   Why = "preflight"
	Staging     Why = "staging"
	Declined    Why = "declined"
	Interrupted Why = "interrupted"
	OverBudget  Why = "over budget"
	// Locked: another deployment has nodes of this one.
	Locked Why = "locked"
	// Overtaken: somebody else deployed since the run that was to be gone on with.
	Overtaken Why = "overtaken"
)

// Stop is the error of a deployment that ended before its last part.
type Stop struct {
	Why Why
	Err error
	// Problems are those of single nodes, complete.
	Problems []NodeProblem
}

// NodeProblem is a problem of one node.
type NodeProblem struct {
	Node string `json:"node"`
	Problem
}

// Error says what went wrong.
func (s *Stop) Error() string { return s.Err.Error() }

// Unwrap returns the error behind it.
func (s *Stop) Unwrap() error { return s.Err }
