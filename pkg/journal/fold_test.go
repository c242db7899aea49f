package journal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/rollout"
)

// words says in short what the fold knows of the node web-1.
func words(d Deployment) string {
	n, _ := d.Node("web-1")
	var out []string
	say := func(when bool, text string) {
		if when {
			out = append(out, text)
		}
	}
	say(n.Planned, "from "+n.From)
	say(n.Known, "runs "+n.Runs)
	say(n.InDoubt(), "in doubt")
	say(n.Touched, fmt.Sprint("touched in ", n.TouchedIn))
	say(n.Healthy, "healthy")
	say(n.Restored, "restored")
	say(n.InFlight != "", "in flight: "+string(n.InFlight))
	say(n.Failure != nil, "failed")
	say(n.Undo != nil, "undo failed")
	return strings.Join(out, ", ")
}

func TestWhatIsTrueOfANode(t *testing.T) {
	planned := func() *story { return tell("D").begin(rollout.Started, "web-1").plan(oldID, []string{"web-1"}) }
	switched := func() *story { return planned().done("web-1", rollout.StepSwitch, newID) }
	resumed := func(s *story, from string) *story { return s.begin(rollout.Resumed).plan(from, []string{"web-1"}) }
	outcome := rollout.NodeOutcome{Node: "web-1", From: oldID, To: newID, Known: true, Runs: oldID}
	for _, c := range []struct {
		name  string
		story *story
		want  string
	}{
		{"probed without a word of what it runs", tell("D").begin(rollout.Started).done("web-1", rollout.StepProbe, ""), ""},
		{"probed", tell("D").begin(rollout.Started).done("web-1", rollout.StepProbe, oldID), "runs " + oldID},
		{"planned", planned(), "from " + oldID},
		{"runs it already", tell("D").begin(rollout.Started).plan("", nil, "web-1"), "from " + newID + ", runs " + newID + ", healthy"},
		{"staging", planned().start("web-1", rollout.StepStage, newID), "from " + oldID + ", in flight: stage"},
		{"switching", planned().start("web-1", rollout.StepSwitch, newID), "from " + oldID + ", in doubt, touched in 1, in flight: switch"},
		{"the switch failed", planned().fail("web-1", rollout.StepSwitch, newID), "from " + oldID + ", in doubt, touched in 1, failed"},
		{"the switch failed before it did anything", planned().fail("web-1", rollout.StepSwitch, newID).end(rollout.Untouched, outcome),
			"from " + oldID + ", runs " + oldID + ", failed"},
		{"switched", switched(), "from " + oldID + ", runs " + newID + ", touched in 1"},
		{"healthy, not written down yet", switched().done("web-1", rollout.StepHealth, newID), "from " + oldID + ", runs " + newID + ", touched in 1"},
		{"healthy", planned().activate("web-1"), "from " + oldID + ", runs " + newID + ", touched in 1, healthy"},
		{"fell ill", planned().activate("web-1").add(rollout.Event{Kind: rollout.StepFailed, Node: "web-1", Step: rollout.StepBake, Failure: &rollout.Failure{}}),
			"from " + oldID + ", runs " + newID + ", touched in 1, failed"},
		{"going back", switched().fail("web-1", rollout.StepHealth, newID).start("web-1", rollout.StepRestore, oldID),
			"from " + oldID + ", in doubt, touched in 1, in flight: restore, failed"},
		{"back", switched().fail("web-1", rollout.StepHealth, newID).done("web-1", rollout.StepRestore, oldID),
			"from " + oldID + ", runs " + oldID + ", touched in 1, restored, failed"},
		{"could not go back", switched().fail("web-1", rollout.StepHealth, newID).fail("web-1", rollout.StepRestore, oldID),
			"from " + oldID + ", in doubt, touched in 1, failed, undo failed"},
		{"the end of the run knows more", planned().start("web-1", rollout.StepSwitch, newID).
			end(rollout.Mixed, rollout.NodeOutcome{Node: "web-1", Known: true, Runs: newID, Touched: true}), "from " + oldID + ", runs " + newID + ", touched in 1"},
		{"the end of the run knows less", switched().end(rollout.Mixed, rollout.NodeOutcome{Node: "web-1", Touched: true}),
			"from " + oldID + ", runs " + newID + ", touched in 1"},
		{"killed while switching, resumed", resumed(planned().start("web-1", rollout.StepSwitch, newID), newID), "from " + oldID + ", in doubt, touched in 1"},
		{"killed while switching, and done", planned().start("web-1", rollout.StepSwitch, newID).begin(rollout.Resumed).plan("", nil, "web-1"),
			"from " + oldID + ", runs " + newID + ", touched in 1, healthy"},
		{"failed once, healthy in the second run", resumed(switched().fail("web-1", rollout.StepHealth, newID), "").activate("web-1"),
			"from " + oldID + ", runs " + newID + ", touched in 1, healthy, failed"},
		{"a second run that did not touch it", resumed(switched(), newID).end(rollout.Untouched, outcome), "from " + oldID + ", runs " + oldID + ", touched in 1"},
	} {
		if got := words(Fold(c.story.events)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestRunsOfADeployment(t *testing.T) {
	s := tell("D").begin(rollout.Started, "web-1", "web-2").plan(oldID, []string{"web-1", "web-2"})
	s.add(rollout.Event{Kind: rollout.WaveStarted, Wave: "batch 1", Number: 1, Waves: 1, Nodes: 2}).activate("web-1").fail("web-2", rollout.StepHealth, newID)
	s.add(rollout.Event{Kind: rollout.BakeStarted, Wave: "batch 1", Text: "10s"}).add(rollout.Event{Kind: rollout.WaveFinished, Wave: "batch 1"})
	s.add(rollout.Event{Kind: rollout.Decided, Wave: "batch 1", Decision: rollout.Halt, Text: "1 failed, the budget is 0"}).end(rollout.Mixed)
	d := Fold(s.events)
	wave := d.Waves[0]
	if !d.Finished() || !d.Touched() || fmt.Sprint(d.Spent()) != "[web-2]" || d.Host != "build-1" || d.Release.ID != newID {
		t.Errorf("after the first run: %+v", d)
	}
	if wave.Ended.Sub(wave.Began).Seconds() != 12 || wave.Gates[0].Ended.Sub(wave.Gates[0].Began).Seconds() != 1 || wave.Decisions[0].Decision != rollout.Halt {
		t.Errorf("the wave: %+v", wave)
	}
	d = Fold(s.begin(rollout.Resumed).start("web-2", rollout.StepProbe, "").events)
	if d.Finished() || len(d.Runs) != 2 || d.Runs[0].Status != rollout.Mixed || d.Runs[1].Status != "" || fmt.Sprint(d.Spent()) != "[web-2]" || d.Reason != "" {
		t.Errorf("in the second run: %+v", d.Runs)
	}
	d = Fold(s.begin(rollout.Resumed).events)
	if n, _ := d.Node("web-2"); n.InFlight != "" || n.Steps[len(n.Steps)-1].Result != Cut {
		t.Errorf("the third run knows what the second left in flight: %+v", n)
	}
}
