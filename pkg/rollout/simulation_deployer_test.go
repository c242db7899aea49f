package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// deployment is one deployment, through all of its runs.
type deployment struct {
	id, kind string
	request  rollout.Deployment
	// wanted is the release of a deploy.
	wanted  string
	journal *simJournal
	// before is what each node ran when the first run began, wellBefore where that had been seen healthy, and the node shows it.
	before     map[string]string
	wellBefore map[string]bool
	// touched are the nodes whose service a run affected; disturbed are those that somebody else changed since the first run began.
	// Unrecorded are those that went back when the journal could not be written any more.
	touched, disturbed, unrecorded map[string]bool
	// undone are the releases that a rollback without a version undoes.
	undone  map[string]bool
	first   *plan.Plan
	outcome *rollout.Outcome
}

type drawn struct{ node, what string }

// deployer is one run of a deployment: a process. It implements rollout.Fleet. The world's mutex guards it.
type deployer struct {
	world  *world
	of     *deployment
	id     string
	domain string
	number int
	counts map[drawn]int

	began time.Time
	// softAt, hardAt, guardLost and lockLost are when the run was told to end, softly and at once, met a guard, and lost its lock; zero for never.
	softAt, hardAt, guardLost, lockLost time.Time
	// overtaken: it saw the work of a later deployment on a node, and goes on with an earlier one. busy: it saw another deployment at work.
	dead, over, overtaken, busy bool
	soft, hard                  context.CancelCauseFunc

	// verified, guarded, seen and settled are what was done on nodes: the release staged, the guard taken, the release seen healthy, settled.
	verified, seen   map[string]string
	guarded, settled map[string]bool
	// step is the last step of each node that was told of; failed is when it was told that a node failed.
	step   map[string]rollout.Step
	failed map[string]time.Time
	resume *rollout.Resume
	// planned is the latest plan, wave the one that was started last, decided when it was decided to stop.
	planned  *plan.Plan
	wave     int
	decided  time.Time
	decision rollout.Decision
	// goingBack counts the nodes that go back after that.
	goingBack int
	// doneBefore are the nodes that needed nothing when the run began.
	doneBefore map[string]bool
}

func (d *deployer) String() string { return fmt.Sprintf("%s/%d", d.id, d.number) }

// run plays one run of a deployment to its end, or its death.
func (w *world) run(of *deployment, domain string, resume *rollout.Resume) *deployer {
	hard, endHard := context.WithCancelCause(context.Background())
	soft, endSoft := context.WithCancelCause(hard)
	defer endHard(nil)
	w.mu.Lock()
	d := w.deployer(of, domain, resume, endSoft, endHard)
	if resume != nil {
		d.checkSpent()
	}
	stop := d.schedule()
	w.log(d, "", "run", "", d.describe())
	w.mu.Unlock()
	request := of.request
	request.Resume = resume
	outcome := rollout.Run(hard, soft, request, d, simWriter{of.journal, d}, d.observe)
	stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	d.over = true
	for _, n := range w.nodes {
		if n.active == d {
			n.active = nil
		}
	}
	if d.dead {
		w.log(d, "", "run", "", "is dead")
		if w.faults.power {
			of.journal.lose(mix(w.seed, uint64(d.number)))
		}
	} else {
		of.outcome = &outcome
		w.log(d, "", "run", "", fmt.Sprintf("ends: %s (%s)", outcome.Status, outcome.Reason))
		d.checkOutcome(outcome)
	}
	d.checkTime()
	d.checkJournal()
	return d
}

func (w *world) deployer(of *deployment, domain string, resume *rollout.Resume, soft, hard context.CancelCauseFunc) *deployer {
	w.deployers++
	d := &deployer{
		world: w, of: of, id: of.id, domain: domain, number: w.deployers, counts: map[drawn]int{}, began: time.Now(), soft: soft, hard: hard, resume: resume,
		verified: map[string]string{}, seen: map[string]string{}, guarded: map[string]bool{}, settled: map[string]bool{},
		step: map[string]rollout.Step{}, failed: map[string]time.Time{}, doneBefore: map[string]bool{},
	}
	j := of.journal
	j.failed, j.synced, j.seen, j.started = false, len(j.events), len(j.events), map[string]rollout.Step{}
	for _, n := range w.nodes {
		d.doneBefore[n.name] = n.process != "" && n.current == n.process && n.confirmed == n.current
		if _, known := of.before[n.name]; !known {
			of.before[n.name], of.wellBefore[n.name] = n.current, n.knownGood()
		}
	}
	return d
}

// schedule lets happen to the run what depends on time alone; stop ends what has not happened.
func (d *deployer) schedule() (stop func()) {
	var timers []*time.Timer
	at := func(after time.Duration, do func()) {
		if after > 0 {
			timers = append(timers, time.AfterFunc(after, func() {
				d.world.mu.Lock()
				defer d.world.mu.Unlock()
				do()
			}))
		}
	}
	f := d.world.faults
	at(f.interrupt, func() { d.interrupt("SIGTERM", d.soft) })
	if f.interrupt > 0 && f.again > 0 {
		at(f.interrupt+f.again, func() {
			d.hardAt = time.Now()
			d.interrupt("SIGTERM again", d.hard)
		})
	}
	at(f.death, d.kill)
	if d.world.first == nil { // of two, the first loses its lock, and the other comes
		d.world.first = d
		at(f.lost, d.loseLock)
	}
	return func() {
		for _, t := range timers {
			t.Stop()
		}
	}
}

func (d *deployer) spent() []string {
	if d.resume == nil {
		return nil
	}
	return d.resume.Spent
}

func (d *deployer) softEnded() {
	if d.softAt.IsZero() {
		d.softAt = time.Now()
	}
}

func (d *deployer) interrupt(why string, end context.CancelCauseFunc) {
	if d.over {
		return
	}
	d.world.log(d, "", why, "", "")
	d.softEnded()
	end(errors.New(why))
}

func (d *deployer) loseLock() {
	if d.over || d.dead {
		return
	}
	d.world.log(d, "", "lock", "", "is lost")
	d.softEnded()
	d.lockLost = time.Now()
	d.soft(&lock.LostError{Reason: "the session is gone"})
}

// kill ends the deployer without a word. What it has sent to nodes may still be done there.
func (d *deployer) kill() {
	if d.over || d.dead {
		return
	}
	d.world.log(d, "", "SIGKILL", "", "")
	d.dead = true
	d.hard(errKilled)
}

func (d *deployer) killedBefore(e rollout.Event) bool {
	return d.killedAt(e, "before")
}

func (d *deployer) killAfter(e rollout.Event) { d.killedAt(e, "after") }

func (d *deployer) killedAt(e rollout.Event, when string) bool {
	if !d.draw(e.Node, "kill "+when+string(e.Kind)+string(e.Step), d.world.faults.kill) {
		return false
	}
	d.kill()
	return true
}

// observe is the run's sink.
func (d *deployer) observe(e rollout.Event) {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	if d.dead {
		return
	}
	d.world.log(d, e.Node, string(e.Kind), string(e.Step), e.Text)
	if e.Step == rollout.StepRestore && !d.decided.IsZero() && e.Kind != rollout.StepStarted {
		d.goingBack--
	}
	switch e.Kind {
	case rollout.StepStarted:
		d.step[e.Node] = e.Step
		d.checkPace(e.Step)
	case rollout.StepFailed:
		if _, known := d.failed[e.Node]; !known && e.Step != rollout.StepRestore && e.Step != rollout.StepWithdraw {
			d.failed[e.Node] = time.Now()
		}
	case rollout.Note:
		if e.Node != "" && d.planned == nil {
			delete(d.failed, e.Node) // left out
		}
	case rollout.Planned:
		made := *e.Plan
		if d.of.first == nil {
			d.of.first = &made
		}
		d.planned = &made
	case rollout.WaveStarted:
		d.wave = e.Number
		d.checkWave()
	case rollout.Decided:
		d.decided, d.decision = time.Now(), e.Decision
	}
}
