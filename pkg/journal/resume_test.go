package journal

import (
	"reflect"
	"testing"

	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/rollout"
)

func TestResumeIsWhatTheRunsLeft(t *testing.T) {
	const old, next = "1.0.0-aaaaaaaa", "1.1.0-bbbbbbbb"
	step := func(node string) plan.Step { return plan.Step{Node: node, From: old, To: next} }
	first := plan.Plan{MaxFailures: 1, Waves: []plan.Wave{{Name: "canary", Steps: []plan.Step{step("n1")}}, {Name: "batch 1", Steps: []plan.Step{step("n2")}}}}
	late := plan.Plan{Waves: []plan.Wave{{Name: "late batch 1", Steps: []plan.Step{{Node: "n1", From: next, To: next}, step("n3")}}}}
	planned := func(p plan.Plan) rollout.Event { return rollout.Event{Kind: rollout.Planned, Release: next, Plan: &p} }
	resolved := rollout.Event{Kind: rollout.Resolved, Resolved: &rollout.Release{ID: next}}
	at := func(kind rollout.Kind, node string, step rollout.Step) rollout.Event {
		e := rollout.Event{Kind: kind, Node: node, Step: step, Release: next}
		if kind == rollout.StepFailed {
			e.Failure = &rollout.Failure{Class: rollout.Unhealthy, Step: step}
		}
		return e
	}
	untouched, touched := rollout.Earlier{From: old, To: next}, rollout.Earlier{From: old, To: next, Touched: true}
	for _, c := range []struct {
		name   string
		events []rollout.Event
		spent  []string
		nodes  map[string]rollout.Earlier
	}{
		{name: "no plan yet", events: []rollout.Event{{Kind: rollout.Started}, resolved}},
		{name: "planned", events: []rollout.Event{{Kind: rollout.Started}, resolved, planned(first)},
			nodes: map[string]rollout.Earlier{"n1": untouched, "n2": untouched}},
		{name: "killed in a switch", events: []rollout.Event{{Kind: rollout.Started}, resolved, planned(first), at(rollout.StepStarted, "n1", rollout.StepSwitch)},
			nodes: map[string]rollout.Earlier{"n1": touched, "n2": untouched}},
		{name: "failed, and a second run", events: []rollout.Event{{Kind: rollout.Started}, resolved, planned(first), at(rollout.StepStarted, "n1", rollout.StepSwitch),
			at(rollout.StepFailed, "n1", rollout.StepHealth), {Kind: rollout.Resumed}, resolved, planned(late)}, spent: []string{"n1"},
			nodes: map[string]rollout.Earlier{"n1": touched, "n2": untouched, "n3": untouched}},
	} {
		r, err := Fold(c.events).Resume()
		if c.nodes == nil {
			if err == nil {
				t.Errorf("%s: there is nothing to go on with, and Resume returns %+v", c.name, r)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if want := (rollout.Resume{Release: next, Plan: first, Spent: c.spent, Nodes: c.nodes}); !reflect.DeepEqual(r, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, r, want)
		}
	}
}
