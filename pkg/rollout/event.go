package rollout

import (
	"context"
	"errors"
	"time"

	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/plan"
)

// Kind says what an event tells.
type Kind string

// The kinds of events, roughly in the order in which they come.
const (
	Started Kind = "deployment-started"
	// Resumed takes the place of Started where an earlier run of the same deployment is gone on with.
	Resumed      Kind = "deployment-resumed"
	StepStarted  Kind = "step-started"
	StepFinished Kind = "step-finished"
	StepFailed   Kind = "step-failed"
	Resolved     Kind = "release-resolved"
	Planned      Kind = "planned"
	WaveStarted  Kind = "wave-started"
	WaveFinished Kind = "wave-finished"
	BakeStarted  Kind = "bake-started"
	Decided      Kind = "decided"
	// Interrupting comes once, when a signal or --timeout asks for the end.
	Interrupting Kind = "interrupting"
	Note         Kind = "note"
	Finished     Kind = "deployment-finished"
)

// Step is one thing done on one node.
type Step string

// The steps.
const (
	StepProbe    Step = "probe"
	StepStage    Step = "stage"
	StepSwitch   Step = "switch"
	StepRestart  Step = "restart"
	StepHealth   Step = "health"
	StepConfirm  Step = "confirm"
	StepBake     Step = "bake"
	StepRestore  Step = "restore"
	StepWithdraw Step = "withdraw"
)

// Event is one thing that happened. As JSON it is one line; empty fields are left out.
type Event struct {
	Time        time.Time `json:"time"`
	Kind        Kind      `json:"event"`
	Deployment  string    `json:"deployment"`
	Service     string    `json:"service"`
	Environment string    `json:"environment"`
	Node        string    `json:"node,omitempty"`
	Step        Step      `json:"step,omitempty"`
	// Wave is its name, "canary" or "batch 2"; Number and Waves count from 1.
	Wave   string `json:"wave,omitempty"`
	Number int    `json:"number,omitempty"`
	Waves  int    `json:"waves,omitempty"`
	Nodes  int    `json:"nodes,omitempty"`
	// Release is the id that the step is about.
	Release string `json:"release,omitempty"`
	Text    string `json:"text,omitempty"`
	// Took is in nanoseconds.
	Took     time.Duration `json:"took,omitempty"`
	Failure  *Failure      `json:"failure,omitempty"`
	Staged   *Staged       `json:"staged,omitempty"`
	Resolved *Release      `json:"resolved,omitempty"`
	Plan     *plan.Plan    `json:"plan,omitempty"`
	Decision Decision      `json:"decision,omitempty"`
	Outcome  *Outcome      `json:"outcome,omitempty"`
	// By and Asked come with the first event of a run: who runs it, and all that a later run needs to go on with it.
	By    *lock.Holder `json:"by,omitempty"`
	Asked *Asked       `json:"asked,omitempty"`
}

// Asked is what a deployment was asked to do.
type Asked struct {
	// Command is the word after rollpin: deploy, stage, rollback, converge.
	Command string `json:"command"`
	// Version is what was asked for; empty for the newest, or for the predecessor in a rollback.
	Version string `json:"version,omitempty"`
	// Flags are those that say what the deployment is, as they were given, and Dir is where: nothing in them is secret.
	Flags []string `json:"flags,omitempty"`
	Dir   string   `json:"dir,omitempty"`
	// Nodes are the names of the targets, Partial tells that more nodes than these have the role: --limit, --exclude.
	Nodes   []string `json:"nodes"`
	Partial bool     `json:"partial,omitempty"`
	DryRun  bool     `json:"dry_run,omitempty"`
}

// Journal is the record of a deployment.
type Journal interface {
	// Append adds an event after all others; calls come one at a time. Sync returns when all that was appended before is on disk; calls come from
	// many nodes at once. Both are quick: they end within a second of being called, or of what they wait for.
	Append(e Event) error
	Sync() error
}

// JournalError says that the record cannot be kept any more, which ends a deployment.
type JournalError struct{ Err error }

// Error says so.
func (e *JournalError) Error() string { return "the journal cannot be written: " + e.Err.Error() }

// Unwrap returns the journal's own error.
func (e *JournalError) Unwrap() error { return e.Err }

func (r *run) tell(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.ended = e.Kind == Finished
	e.Time = time.Now()
	e.Deployment, e.Service, e.Environment = r.ID, r.Service, r.Environment
	if r.journal != nil {
		if err := r.journal.Append(e); err != nil {
			r.lose(&JournalError{err})
		}
	}
	r.sink(e)
}

// announce tells of a step and sees that the line is on disk before the step touches the node. A way back is gone without it: to leave a node
// half way would be worse than to leave it out of the record.
func (r *run) announce(n *node, step Step, id string) error {
	r.tell(Event{Kind: StepStarted, Node: n.Name, Step: step, Release: id})
	if r.journal == nil || step == StepProbe {
		return nil
	}
	err := r.journal.Sync()
	switch {
	case err == nil && step == StepSwitch:
		return r.mayBegin() // things may have changed while the disk was slow
	case err == nil:
		return nil
	}
	r.lose(&JournalError{err})
	if step == StepRestore || step == StepWithdraw {
		return nil
	}
	return &Stop{Why: Interrupted, Err: &JournalError{err}}
}

// step does one thing on one node and tells of its start and its end. A step that an interrupt cut short is no failure of the node.
func (r *run) step(ctx context.Context, n *node, step Step, id string, do func(context.Context) error) error {
	return r.stepTelling(ctx, n, step, id, func(ctx context.Context) (learned, error) { return learned{release: id}, do(ctx) })
}

// learned is what the end of a step tells: the release that it is about, and how it came.
type learned struct {
	release string
	staged  *Staged
}

// stepTelling is step for what has more to tell than that it is done.
func (r *run) stepTelling(ctx context.Context, n *node, step Step, id string, do func(context.Context) (learned, error)) error {
	began := time.Now()
	if err := r.announce(n, step, id); err != nil {
		return err
	}
	learned, err := do(ctx)
	switch {
	case err == nil:
		r.tell(Event{Kind: StepFinished, Node: n.Name, Step: step, Release: learned.release, Took: time.Since(began), Staged: learned.staged})
		return nil
	case ctx.Err() != nil:
		return &Stop{Why: Interrupted, Err: context.Cause(ctx)}
	}
	failure := failureOf(step, err)
	r.tell(Event{Kind: StepFailed, Node: n.Name, Step: step, Release: id, Took: time.Since(began), Failure: failure})
	return failure
}

func isInterrupt(err error) bool {
	var stop *Stop
	return errors.As(err, &stop) && stop.Why == Interrupted
}
