package journal

import (
	"fmt"
	"time"

	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/rollout"
)

const (
	oldID = "1.0.0-aaaaaaaa"
	newID = "1.1.0-bbbbbbbb"
)

// story makes the events of a deployment, a second apart.
type story struct {
	id     string
	now    time.Time
	events []rollout.Event
}

func tell(id string) *story {
	return &story{id: id, now: time.Date(2026, 11, 21, 10, 15, 0, 0, time.UTC)}
}

func (s *story) add(e rollout.Event) *story {
	s.now = s.now.Add(time.Second)
	e.Time, e.Deployment, e.Service, e.Environment = s.now, s.id, "api", "production"
	s.events = append(s.events, e)
	return s
}

func (s *story) begin(kind rollout.Kind, nodes ...string) *story {
	by := &lock.Holder{Deployment: s.id, Command: "deploy", User: "ann", Host: "build-1", Since: s.now}
	return s.add(rollout.Event{Kind: kind, By: by, Asked: &rollout.Asked{Command: "deploy", Version: "1.1.0", Nodes: nodes}})
}

// plan plans one wave of nodes that go from a release to the new one; done run it already.
func (s *story) plan(from string, nodes []string, done ...string) *story {
	p := plan.Plan{Service: "api", Environment: "production", Targets: len(nodes) + len(done), Done: done, Digest: fmt.Sprint(from, nodes, done)}
	wave := plan.Wave{Name: "batch 1"}
	for _, n := range nodes {
		wave.Steps = append(wave.Steps, plan.Step{Node: n, Zone: "a", From: from, To: newID})
	}
	p.Waves = []plan.Wave{wave}
	s.add(rollout.Event{Kind: rollout.Resolved, Release: newID, Resolved: &rollout.Release{ID: newID, Version: "1.1.0"}})
	return s.add(rollout.Event{Kind: rollout.Planned, Plan: &p, Release: newID})
}

func (s *story) start(node string, step rollout.Step, release string) *story {
	return s.add(rollout.Event{Kind: rollout.StepStarted, Node: node, Step: step, Release: release})
}

func (s *story) done(node string, step rollout.Step, release string) *story {
	s.start(node, step, release)
	return s.add(rollout.Event{Kind: rollout.StepFinished, Node: node, Step: step, Release: release, Took: time.Second})
}

func (s *story) fail(node string, step rollout.Step, release string) *story {
	s.start(node, step, release)
	failure := &rollout.Failure{Class: rollout.Unhealthy, Step: step, Text: "it answers 500", Log: []string{"Traceback"}}
	return s.add(rollout.Event{Kind: rollout.StepFailed, Node: node, Step: step, Release: release, Took: time.Second, Failure: failure})
}

func (s *story) activate(nodes ...string) *story {
	for _, n := range nodes {
		s.done(n, rollout.StepSwitch, newID).done(n, rollout.StepRestart, newID).done(n, rollout.StepHealth, newID).done(n, rollout.StepConfirm, newID)
	}
	return s
}

func (s *story) end(status rollout.Status, nodes ...rollout.NodeOutcome) *story {
	return s.add(rollout.Event{Kind: rollout.Finished, Outcome: &rollout.Outcome{Status: status, Nodes: nodes}})
}
