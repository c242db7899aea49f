package rollout_test

import (
	"slices"
	"time"

	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// The promises, each checked where it could be broken. The world's mutex is held by all but checkSwitch and checkStage.

// checkSwitch looks at a node that the run is about to take to another release, or back.
func (d *deployer) checkSwitch(node string, s rollout.Switch) {
	w := d.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.dead || d.step[node] != rollout.StepSwitch {
		return
	}
	now := time.Now()
	passed := func(t time.Time) bool { return !t.IsZero() && now.After(t) }
	if passed(d.softAt) {
		w.problem("%s starts with %s, %s after it was told to end", d, node, now.Sub(d.softAt))
	}
	if passed(d.guardLost) {
		w.problem("%s starts with %s, %s after it met another deployment", d, node, now.Sub(d.guardLost))
	}
	if d.overtaken {
		w.problem("%s starts with %s, although somebody else deployed since", d, node)
	}
	if !d.decided.IsZero() {
		w.problem("%s starts with %s after it was decided to stop", d, node)
	}
	if d.verified[node] != s.To {
		w.problem("%s takes %s to %s, which was not verified there", d, node, s.To)
	}
	if failed, budget := d.spentBy(now); failed > budget {
		w.problem("%s starts with %s after %d failed, the budget is %d", d, node, failed, budget)
	}
	n := w.byName[node]
	if d.doneBefore[node] && n.confirmed == s.To && n.has(s.To) && n.active == nil {
		w.problem("%s repeats %s, which is done", d, node)
	}
	_, another := n.records[n.records[n.current].Previous] // which may have been pruned
	another = another && n.good[n.records[n.current].Previous]
	if previous := s.Previous; s.Deployment != "" && !s.KeepPrevious && previous != "" && !n.good[previous] && another {
		w.problem("%s makes %s, which failed on %s, its last good release", d, previous, node)
	}
}

// checkStage looks at a node that the run is about to guard and stage.
func (d *deployer) checkStage(node string) {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	if d.dead || d.step[node] != rollout.StepStage {
		return
	}
	if !d.softAt.IsZero() && time.Now().After(d.softAt.Add(time.Millisecond)) {
		d.world.problem("%s stages on %s after it was told to end", d, node)
	}
	if d.busy {
		d.world.problem("%s stages on %s, although it saw another deployment at work", d, node)
	}
}

// spentBy counts the nodes that failed in all runs before now, and tells how many may.
func (d *deployer) spentBy(now time.Time) (failed, budget int) {
	if d.planned == nil {
		return 0, 0
	}
	budget = d.planned.MaxFailures
	if d.resume != nil {
		budget = d.resume.Plan.MaxFailures
	}
	nodes := map[string]bool{}
	if len(d.spent()) > budget { // the next run begins with none
		budget = 0
	} else {
		for _, node := range d.spent() {
			nodes[node] = true
		}
	}
	for node, at := range d.failed {
		if at.Before(now) {
			nodes[node] = true
		}
	}
	return len(nodes), budget
}

// checkPace: of the healthy nodes no more go back at once than the plan says.
func (d *deployer) checkPace(step rollout.Step) {
	if step != rollout.StepRestore || d.decided.IsZero() {
		return
	}
	if d.goingBack++; d.goingBack > d.planned.Undo {
		d.world.problem("%s takes %d nodes back at once, the plan says %d", d, d.goingBack, d.planned.Undo)
	}
}

// checkWave looks for an earlier wave that had to pass, and failed as a whole.
func (d *deployer) checkWave() {
	for _, wave := range d.planned.Waves[:d.wave-1] {
		failed := 0
		for _, step := range wave.Steps {
			if _, ok := d.failed[step.Node]; ok {
				failed++
			}
		}
		mustPass := wave.MustPass || d.resume != nil && slices.ContainsFunc(d.resume.Plan.Waves, func(first plan.Wave) bool {
			return first.Name == wave.Name && first.MustPass
		})
		if mustPass && failed == len(wave.Steps) {
			d.world.problem("%s goes on after all of %s failed", d, wave.Name)
		}
	}
}

// checkAnnounced: the line of a step is on disk before its node is touched. A way back is gone without a journal, too.
func (d *deployer) checkAnnounced(n *simNode, op string, steps ...rollout.Step) {
	j := d.of.journal
	back := d.step[n.name] == rollout.StepRestore || d.step[n.name] == rollout.StepWithdraw
	if j.failed && back {
		d.of.unrecorded[n.name] = true
		return
	}
	if j.announced(n.name, steps...) {
		if op == "switch" || op == "withdraw" {
			d.of.unrecorded[n.name] = false
		}
		return
	}
	d.world.problem("%s does %s on %s before its line is on disk", d, op, n.name)
}

// touch notes that d changes what a node runs: nobody else may be at work there. What was on its way to a node when the lock was lost cannot be
// called back.
func (d *deployer) touch(n *simNode, changes bool) {
	if !changes {
		return
	}
	if a := n.active; a != nil && a != d && a.atWork() && d.lockLost.IsZero() {
		d.world.problem("%s and %s both act on %s", a, d, n.name)
	}
	n.active = d
	d.of.touched[n.name] = true
	d.disturb(n)
}

// disturb notes that a node is not as other deployments left it.
func (d *deployer) disturb(n *simNode) {
	for _, other := range d.world.all {
		if other != d.of {
			other.disturbed[n.name] = true
		}
	}
}

// atWork tells whether a deployer may still act: it is alive, and has not lost its lock.
func (d *deployer) atWork() bool { return !d.over && !d.dead && d.lockLost.IsZero() }

// checkTime: after an interrupt all is over within 4 s, after the second within one.
func (d *deployer) checkTime() {
	late := func(since time.Time, most time.Duration) bool { return !since.IsZero() && time.Since(since) > most }
	if !d.dead && (late(d.softAt, 4*time.Second+50*time.Millisecond) || late(d.hardAt, time.Second)) {
		d.world.problem("%s ends %s after the first interrupt", d, time.Since(d.softAt))
	}
}

// checkSpent: a later run pays for every node that failed in an earlier one.
func (d *deployer) checkSpent() {
	for _, e := range d.of.journal.events {
		if e.Kind == rollout.StepFailed && slices.Contains([]rollout.Step{rollout.StepStage, rollout.StepHealth, rollout.StepBake}, e.Step) &&
			!slices.Contains(d.resume.Spent, e.Node) {
			d.world.problem("%s does not know that %s failed", d, e.Node)
		}
	}
}

// checkJournal: what the journal knows of a node is true.
func (d *deployer) checkJournal() {
	if d.of.journal.failed {
		return // the nodes in flight went back without it
	}
	folded := d.of.journal.fold()
	for _, known := range folded.Nodes {
		n := d.world.byName[known.Name]
		if d.of.disturbed[n.name] || d.of.unrecorded[n.name] {
			continue
		}
		if known.Known && known.Runs != n.current {
			d.world.problem("the journal of %s says that %s runs %q, and it runs %q", d, n.name, known.Runs, n.current)
		}
		if d.of.touched[n.name] && !known.Touched {
			d.world.problem("the journal of %s says that %s was not touched", d, n.name)
		}
	}
}

// checkOutcome: the last block is true of every node, and the status of the fleet.
func (d *deployer) checkOutcome(o rollout.Outcome) {
	failed, budget := d.spentBy(time.Now().Add(1))
	if failed > budget && d.wave > 0 && d.decided.IsZero() && d.softAt.IsZero() && d.guardLost.IsZero() {
		d.world.problem("%s decides nothing after %d failed, the budget is %d", d, failed, budget)
	}
	for _, known := range o.Nodes {
		n := d.world.byName[known.Node]
		if n.guard.by == d && !d.settled[n.name] && n.reachable() && (known.Failure == nil || known.Failure.Class != rollout.Unreachable) {
			d.world.problem("%s does not give %s back", d, n.name)
		}
		if !d.of.disturbed[n.name] {
			d.checkNode(o.Status, known, n)
		}
	}
}

func (d *deployer) checkNode(status rollout.Status, known rollout.NodeOutcome, n *simNode) {
	claim := func(claimed, holds bool, what string) {
		if claimed && !holds {
			d.world.problem("%s ends %s and says that %s %s: it runs %q, its process %q, confirmed %q; before %q, wanted %q",
				d, status, n.name, what, n.current, n.process, n.confirmed, d.of.before[n.name], known.To)
		}
	}
	touched := d.of.touched[n.name]
	done := n.has(known.To) && (n.confirmed == known.To || d.of.request.Rollback)
	claim(known.Known, known.Runs == n.current, "runs "+known.Runs)
	claim(!known.Touched, !touched, "was not touched")
	claim(known.Restored, d.back(n, known.To), "is back")
	claim(known.Healthy, done, "is healthy")
	inFlight := slices.Contains([]rollout.Step{rollout.StepSwitch, rollout.StepRestart, rollout.StepHealth, rollout.StepConfirm}, d.step[n.name])
	claim(inFlight && known.Touched && d.resume == nil && d.hardAt.IsZero(), known.Healthy || known.Failure != nil, "was brought to a safe end")
	claim(d.mustBack(known) && touched, known.Restored || known.Stopped, "went back")
	switch status {
	case rollout.Succeeded, rollout.Unchanged:
		claim(!known.Left, done, "is done")
		claim(known.Left && known.Skipped == "", known.Left && d.unconcerned(n), "is no target")
	case rollout.Restored:
		claim(touched, d.back(n, known.To), "is restored")
	case rollout.Untouched:
		claim(true, !touched, "is untouched")
	}
}

// mustBack tells whether a node has to be back: it failed after its switch, or all goes back, and neither an interrupt nor the node prevented it.
func (d *deployer) mustBack(known rollout.NodeOutcome) bool {
	if !d.softAt.IsZero() || !d.guardLost.IsZero() || known.Undo != nil || known.From == known.To || d.planned == nil || d.planned.OnFailure != "rollback" {
		return false
	}
	if f := known.Failure; f != nil {
		after := slices.Contains([]rollout.Step{rollout.StepRestart, rollout.StepHealth, rollout.StepConfirm, rollout.StepBake}, f.Step)
		return after || d.decision == rollout.RollBack && f.Class != rollout.Unreachable && known.From != "" && f.Step != rollout.StepProbe
	}
	return d.decision == rollout.RollBack && known.From != "" && known.Skipped == ""
}

// back tells whether a node runs its own release from before the deployment. One that an earlier deployment had left half way on this one's
// release goes back to what it ran before that.
func (d *deployer) back(n *simNode, to string) bool {
	before := d.of.before[n.name]
	if before == to && !d.of.wellBefore[n.name] {
		return n.current != "" && n.has(n.current) && n.current != to || n.has(before)
	}
	return n.has(before)
}

// unconcerned tells whether a rollback had nothing to do on a node: it did not run what was undone on those that answered.
func (d *deployer) unconcerned(n *simNode) bool {
	before := d.of.before[n.name]
	if undo := d.of.request.Undo; undo != nil {
		earlier := undo.Nodes[n.name]
		return !earlier.Touched || earlier.From == before
	}
	return d.of.request.Rollback && (!d.of.undone[before] || d.of.request.Version == "" && !d.of.undoes(before))
}
