package rollout

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/release"
)

// fullDisk is a journal that takes lines, but none of a step.
type fullDisk struct{}

func (fullDisk) Append(Event) error { return nil }
func (fullDisk) Sync() error        { return errors.New("no space left on device") }

// halfDone is a fleet on which a deployment was killed: the first node has the new release and was not confirmed, the others the old one.
func halfDone(n int) (*fakeFleet, *Resume) {
	f := newFakeFleet(n, oldID)
	half := f.facts["web-1"]
	half.Current, half.Confirmed = newID, ""
	half.Records[newID] = release.Record{ID: newID, Previous: oldID, Deployment: "d1"}
	f.facts["web-1"], f.restarted["web-1"] = half, newID
	r := &Resume{Release: newID, Plan: plan.Plan{Undo: 1, OnFailure: "rollback"}, Nodes: map[string]Earlier{}}
	wave := plan.Wave{Name: "batch 1"}
	for _, node := range f.targets() {
		wave.Steps = append(wave.Steps, plan.Step{Node: node.Name, From: oldID, To: newID})
		r.Nodes[node.Name] = Earlier{From: oldID, To: newID, Touched: node.Name == "web-1"}
	}
	r.Plan.Waves = []plan.Wave{wave}
	return f, r
}

func TestAStepThatCannotBeWrittenDownTouchesNothing(t *testing.T) {
	f := newFakeFleet(2, oldID)
	synctest.Test(t, func(t *testing.T) {
		f.fail = func(_, step, _ string) error {
			if step == "switch" || step == "restart" {
				t.Errorf("there is a %s all the same", step)
			}
			return nil
		}
		r := newRun(t.Context(), t.Context(), deployment(f, nil), f, func(Event) {})
		defer r.end()
		r.journal = fullDisk{}
		r.each(r.nodes, r.probe) // which needs no line
		r.activateNode(r.nodes[0])
		if o := r.outcome(r.interrupted()); o.Status != Untouched {
			t.Errorf("%s", o.Status)
		}
	})
}

func TestOutcomesOfASecondRun(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Deployment)
		fail   func(node, step, id string) error
		status Status
		runs   string
	}{
		{name: "it goes on", status: Succeeded, runs: "1.1.0 1.1.0 1.1.0"},
		{name: "it ends in preflight, and answers for what the first one touched", status: Mixed, runs: "1.1.0 1.0.0 1.0.0",
			fail: func(n, step, _ string) error {
				if n == "web-2" && step == "probe" {
					return &Failure{Class: Unreachable, Text: "timeout"}
				}
				return nil
			}},
		{name: "so it does for a node that it leaves out", change: func(d *Deployment) { d.SkipUnreachable = true }, status: Mixed, runs: "1.1.0 1.1.0 1.1.0",
			fail: func(n, step, _ string) error {
				if n == "web-1" && step == "probe" {
					return &Failure{Class: Unreachable, Text: "timeout"}
				}
				return nil
			}},
		{name: "all go back to what they ran before the first run", fail: unhealthy("web-3", "1.1.0"), status: Restored, runs: "1.0.0 1.0.0 1.0.0"},
		{name: "also a node that was left half way and cannot be staged", status: Restored, runs: "1.0.0 1.0.0 1.0.0",
			change: func(d *Deployment) { d.Resume.Plan.MaxFailures = 1 },
			fail: func(n, step, id string) error {
				if n == "web-1" && step == "stage" || n == "web-2" && step == "healthy" && id == newID {
					return errors.New("disk full")
				}
				return nil
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, resume := halfDone(3)
			if c.fail != nil {
				f.fail = c.fail
			}
			outcome, _ := play(t, f, func(d *Deployment) {
				d.Resume = resume
				if c.change != nil {
					c.change(d)
				}
			})
			if outcome.Status != c.status || f.runs() != c.runs {
				t.Errorf("%s, the nodes run %s, want %s, %s (%s)", outcome.Status, f.runs(), c.status, c.runs, outcome.Reason)
			}
		})
	}
}

func TestASecondRunThatSomebodyElseOvertook(t *testing.T) {
	for _, current := range []string{newID, "1.2.0-cccccccc"} { // the same release, or another one
		f, resume := halfDone(3)
		theirs := f.facts["web-2"]
		theirs.Current, theirs.Confirmed = current, current
		theirs.Records[current] = release.Record{ID: current, Previous: oldID, Deployment: "d2"}
		f.facts["web-2"] = theirs
		outcome, _ := play(t, f, func(d *Deployment) { d.Resume = resume })
		if outcome.Why != Overtaken || f.touched() != "" {
			t.Errorf("%s: %s (%s), touched %q", current, outcome.Status, outcome.Reason, f.touched())
		}
	}
}
