package rollout_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// play is the story of a world: some deployments, each followed by what a person would do about how it ended, then one more without faults.
func (w *world) play() {
	for range 1 + w.r.IntN(4) {
		w.faults = drawFaults(w.r, len(w.nodes))
		w.weather()
		w.act()
		if len(w.problems) > 0 {
			return
		}
	}
	w.checkLastGood()
	w.mend()
	w.lastAct()
}

// weather is what happens to nodes between and during deployments.
func (w *world) weather() {
	time.Sleep(time.Duration(w.r.Int64N(int64(20 * time.Minute))))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.faults.away {
		n := w.nodes[a.node]
		n.gone = time.Now().Add(a.lasts)
		if a.from > 20*time.Second { // gone already
			continue
		}
		n.gone = time.Time{}
		time.AfterFunc(a.from, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			n.gone = time.Now().Add(a.lasts)
			w.log(nil, n.name, "goes", "", "for "+a.lasts.String())
		})
	}
	n := w.nodes[w.r.IntN(len(w.nodes))]
	switch w.r.IntN(20) {
	case 0:
		w.log(nil, n.name, "is rebuilt", "", "")
		n.rebuild()
		w.disturb(n)
	case 1:
		for id := range n.records {
			if id != n.current {
				n.damaged[id] = true
			}
		}
	}
}

// disturb notes that a node is not as any deployment left it.
func (w *world) disturb(n *simNode) {
	for _, of := range w.all {
		of.disturbed[n.name] = true
	}
}

// act is one run, and that of another deployer where one comes: after the first has lost its lock, or from elsewhere with no lock in common.
func (w *world) act() {
	w.mu.Lock()
	w.first = nil
	of, resume := w.next()
	if of.request.Strategy.Bake > rollout.GuardTTL && w.r.IntN(2) == 0 { // guards have to be renewed, or the rival takes them
		w.faults = simFaults{rival: rollout.GuardTTL + time.Duration(w.r.Int64N(int64(time.Minute)))}
	}
	w.mu.Unlock()
	other := make(chan struct{})
	comes := func(after time.Duration, domain func() string, if_ func() bool) *time.Timer {
		return time.AfterFunc(after, func() {
			defer close(other)
			w.mu.Lock()
			rival := w.rival(if_())
			w.mu.Unlock()
			if rival != nil {
				w.run(rival, domain(), nil)
			}
		})
	}
	var timer *time.Timer
	switch {
	case w.faults.lost > 0:
		delay := time.Duration(w.r.Int64N(int64(8 * time.Second)))
		timer = comes(w.faults.lost+delay, func() string { return w.domain(of) }, func() bool { return !w.first.lockLost.IsZero() })
	case w.faults.rival > 0:
		timer = comes(w.faults.rival, func() string { return "elsewhere" }, func() bool { return true })
	}
	w.run(of, w.domain(of), resume)
	if timer != nil && !timer.Stop() {
		<-other
	}
}

// rival is the deployment of another deployer.
func (w *world) rival(comes bool) *deployment {
	if !comes {
		return nil
	}
	return w.newDeployment("deploy")
}

// domain names the lock that a deployer holds.
func (w *world) domain(of *deployment) string {
	if w.common {
		return "consul"
	}
	return "machine of " + of.id
}

// next is what a person does now.
func (w *world) next() (*deployment, *rollout.Resume) {
	if len(w.all) > 0 {
		last := w.all[len(w.all)-1]
		if w.r.IntN(8) == 0 {
			last = w.all[w.r.IntN(len(w.all))] // a later one may be on the nodes
		}
		if resume, ok := last.resume(); ok && w.r.IntN(5) > 1 {
			return last, resume
		}
	}
	kind := "deploy"
	if len(w.all) > 0 {
		kind = []string{"deploy", "deploy", "deploy", "rollback", "rollback", "stage"}[w.r.IntN(6)]
	}
	return w.newDeployment(kind), nil
}

// undoes tells whether the first plan of a rollback takes nodes away from a release.
func (of *deployment) undoes(id string) bool {
	return of.first == nil || slices.ContainsFunc(of.first.Steps(), func(s plan.Step) bool { return s.From == id })
}

// resume is what the command would go on with, if there is anything.
func (of *deployment) resume() (*rollout.Resume, bool) {
	if of.kind == "stage" || of.outcome != nil && (of.outcome.Status == rollout.Succeeded || of.outcome.Status == rollout.Unchanged) {
		return nil, false
	}
	resume, err := of.journal.fold().Resume()
	return &resume, err == nil
}

// mend takes all faults away: nodes answer, releases come up, guards are old.
func (w *world) mend() {
	time.Sleep(rollout.GuardTTL)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = simFaults{}
	for _, n := range w.nodes {
		n.gone, n.damaged, n.bad = time.Time{}, map[string]bool{}, map[string]bool{}
	}
	w.log(nil, "", "all is mended", "", "")
}

// lastAct ends the last deployment, or undoes it: without faults that must come true on every node.
func (w *world) lastAct() {
	last := w.all[len(w.all)-1]
	resume, ok := last.resume()
	switch {
	case ok && w.r.IntN(2) == 0:
		w.lastResume(last, resume)
	case ok && last.kind == "deploy":
		w.lastRollback(last)
	}
}

func (w *world) lastResume(last *deployment, resume *rollout.Resume) {
	overtaken := false
	for _, n := range w.nodes {
		overtaken = overtaken || n.records[n.current].Deployment > last.id || last.disturbed[n.name]
	}
	w.run(last, w.domain(last), resume)
	if s := last.outcome.Status; !overtaken && s != rollout.Succeeded && s != rollout.Unchanged {
		w.problem("%s is resumed without any fault, and ends %s: %s", last.id, s, last.outcome.Reason)
	}
}

// lastRollback sees that each node returns to what it ran before the deployment began.
func (w *world) lastRollback(last *deployment) {
	expected := map[*simNode]string{}
	for _, n := range w.nodes {
		before := last.before[n.name]
		if n.current == last.wanted && n.records[n.current].Deployment == last.id && last.wellBefore[n.name] && before != last.wanted && !last.disturbed[n.name] {
			expected[n] = before
		}
	}
	back := w.newDeployment("rollback")
	back.request.Version, back.undone = "", map[string]bool{}
	w.undo(back, false)
	if d, unfinished := journal.Unfinished([]journal.Deployment{last.journal.fold()}); unfinished {
		if undo, err := d.Resume(); err == nil {
			back.request.Undo, back.request.Undoes = &undo, last.id
			w.expectBack(last, undo, expected)
		}
	}
	w.run(back, w.domain(back), nil)
	for n, before := range expected {
		if !n.has(before) {
			w.problem("%s was rolled back: %s runs %q, and ran %q before it", last.id, n.name, n.current, before)
		}
	}
}

// expectBack adds what the journal alone knows: nodes that were touched, whatever they tell of it, and nodes that were not.
func (w *world) expectBack(last *deployment, undo rollout.Resume, expected map[*simNode]string) {
	for _, n := range w.nodes {
		earlier, known := undo.Nodes[n.name]
		_, kept := n.records[earlier.From]
		if known && kept && (earlier.Touched || n.has(earlier.From)) && !last.disturbed[n.name] && n.records[n.current].Deployment <= last.id {
			expected[n] = earlier.From
		}
	}
}

// checkLastGood: the last known good release did not fail on any node that the journal counts.
func (w *world) checkLastGood() {
	var all []journal.Deployment
	for i := len(w.all) - 1; i >= 0; i-- {
		all = append(all, w.all[i].journal.fold())
	}
	good, ok := journal.LastGood(all)
	for _, known := range good.Nodes {
		if ok && !known.Skipped && w.byName[known.Name].bad[good.Release.ID] {
			w.problem("%s is the last known good release, and failed on %s", good.Release.ID, known.Name)
		}
	}
}

func (d *deployer) describe() string {
	q := d.of.request
	how := d.of.kind
	if d.resume != nil {
		how = "resume of " + how
	}
	return fmt.Sprintf("%s %s%s, %d nodes at most, skip %t, %+v; faults %+v", how, d.of.wanted, q.Version, q.Parallel, q.SkipUnreachable, q.Strategy, d.world.faults)
}
