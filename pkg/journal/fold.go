package journal

import (
	"cmp"

	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// Fold returns the deployment that events tell of, from the first on.
func Fold(events []rollout.Event) Deployment {
	var d Deployment
	for _, e := range events {
		d.Apply(e)
	}
	return d
}

// Apply takes in the next event. It keeps no pointer that the sender of the event may still write through.
func (d *Deployment) Apply(e rollout.Event) {
	if d.Events == 0 {
		d.ID, d.Service, d.Environment, d.Began = e.Deployment, e.Service, e.Environment, e.Time
	}
	d.Events++
	d.Updated = e.Time
	if e.Kind == rollout.Started || e.Kind == rollout.Resumed || len(d.Runs) == 0 {
		d.begin(e)
	}
	run := &d.Runs[len(d.Runs)-1]
	run.Updated = e.Time
	switch e.Kind {
	case rollout.Resolved:
		if e.Resolved != nil {
			d.Release = *e.Resolved
		}
	case rollout.Planned:
		d.plan(e)
	case rollout.StepStarted, rollout.StepFinished, rollout.StepFailed:
		d.node(e.Node).apply(e, len(d.Runs))
	case rollout.WaveStarted:
		d.Waves = append(d.Waves, Wave{Name: e.Wave, Run: len(d.Runs), Number: e.Number, Waves: e.Waves, Nodes: e.Nodes, Began: e.Time})
	case rollout.WaveFinished:
		d.wave(e).end(e)
	case rollout.BakeStarted:
		wave := d.wave(e)
		wave.Gates = append(wave.Gates, Gate{Kind: "bake", Text: e.Text, Began: e.Time})
	case rollout.Decided:
		wave := d.wave(e)
		wave.Decisions = append(wave.Decisions, Decision{e.Time, e.Decision, e.Text})
	case rollout.Interrupting:
		d.Interrupted, run.Interrupted = e.Text, e.Text
	case rollout.Note:
		d.Notes = append(d.Notes, Note{e.Time, e.Node, e.Text})
	case rollout.Finished:
		d.finish(e)
	}
}

// begin starts a run. What was in flight in an earlier one was cut short.
func (d *Deployment) begin(e rollout.Event) {
	d.cutShort()
	d.Runs = append(d.Runs, Run{By: e.By, Began: e.Time})
	d.Status, d.Interrupted, d.Why, d.Reason, d.Hint, d.Log, d.Problems = "", "", "", "", "", nil, nil
	if e.By != nil {
		d.Host = e.By.Host
	}
	if e.Asked != nil && d.Asked.Command == "" {
		d.Asked = *e.Asked
		for _, name := range e.Asked.Nodes {
			d.node(name)
		}
	}
}

func (d *Deployment) cutShort() {
	for i := range d.Nodes {
		d.Nodes[i].close(Cut, rollout.Event{})
	}
}

func (d *Deployment) plan(e rollout.Event) {
	if e.Plan == nil {
		return
	}
	made := *e.Plan
	d.Plan = &made
	if d.First == nil {
		d.First = &made
	}
	for i := range d.Nodes {
		d.Nodes[i].Wave = ""
	}
	for _, name := range made.Done {
		n := d.node(name)
		to := cmp.Or(n.To, e.Release) // nodes of a rollback go to different releases
		n.from(to)
		n.To, n.Runs, n.Known, n.Healthy = to, to, true, true
	}
	for _, wave := range made.Waves {
		for _, step := range wave.Steps {
			d.planStep(wave, step)
		}
	}
}

func (d *Deployment) planStep(wave plan.Wave, step plan.Step) {
	n := d.node(step.Node)
	if !n.Planned {
		n.Previous = step.Previous
	}
	n.from(step.From)
	n.Zone, n.Wave, n.To, n.Healthy = step.Zone, wave.Name, step.To, false
}

// wave is the one that an event is about: the latest of its name.
func (d *Deployment) wave(e rollout.Event) *Wave {
	for i := len(d.Waves) - 1; i >= 0; i-- {
		if d.Waves[i].Name == e.Wave {
			return &d.Waves[i]
		}
	}
	d.Waves = append(d.Waves, Wave{Name: e.Wave, Run: len(d.Runs), Nodes: e.Nodes})
	return &d.Waves[len(d.Waves)-1]
}

func (w *Wave) end(e rollout.Event) {
	w.Ended = e.Time
	for i := range w.Gates {
		if w.Gates[i].Ended.IsZero() {
			w.Gates[i].Ended = e.Time
		}
	}
}

// finish ends a run. What the outcome knows of nodes was learned after their last step.
func (d *Deployment) finish(e rollout.Event) {
	d.cutShort()
	run := &d.Runs[len(d.Runs)-1]
	run.Ended = e.Time
	if e.Outcome == nil {
		return
	}
	o := e.Outcome
	d.Status, d.Why, d.Reason, d.Hint, d.Log, d.Problems = o.Status, o.Why, o.Reason, o.Hint, o.Log, o.Problems
	d.Interrupted = o.Interrupted
	run.Status, run.Interrupted = o.Status, o.Interrupted
	if o.Release.ID != "" {
		d.Release = o.Release
	}
	for i := range o.Nodes {
		d.node(o.Nodes[i].Node).settle(&o.Nodes[i], len(d.Runs))
	}
}

// node returns the node of a name, a new one at its first mention. The pointer holds until the next call.
func (d *Deployment) node(name string) *Node {
	d.reindex()
	at, ok := d.index[name]
	if !ok {
		at = len(d.Nodes)
		d.index[name] = at
		d.Nodes = append(d.Nodes, Node{Name: name})
	}
	return &d.Nodes[at]
}

func (d *Deployment) reindex() {
	if d.index != nil {
		return
	}
	d.index = make(map[string]int, len(d.Nodes))
	for i := range d.Nodes {
		d.index[d.Nodes[i].Name] = i
	}
}
