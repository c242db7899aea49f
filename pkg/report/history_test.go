package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// recorded makes the record of a deployment of 1.1.0 to three nodes on the given day: a canary, web-1, and a batch of web-2 and web-3.
type recorded struct {
	journal.Deployment
	now time.Time
}

func record(day int, command string) *recorded {
	r := &recorded{now: time.Date(2026, 11, day, 10, 15, 0, 0, time.UTC)}
	r.begin(rollout.Started, command)
	for _, node := range []string{"web-1", "web-2", "web-3"} {
		r.step(node, rollout.StepProbe, "", nil)
	}
	r.add(rollout.Event{Kind: rollout.Resolved, Release: newID, Resolved: &rollout.Release{ID: newID, Version: "1.1.0"}})
	step := func(node, zone string) plan.Step { return plan.Step{Node: node, Zone: zone, From: oldID, To: newID} }
	r.add(rollout.Event{Kind: rollout.Planned, Release: newID, Plan: &plan.Plan{Waves: []plan.Wave{
		{Name: "canary", Steps: []plan.Step{step("web-1", "a")}}, {Name: "batch 1", Steps: []plan.Step{step("web-2", "b"), step("web-3", "a")}},
	}}})
	return r
}

func (r *recorded) begin(kind rollout.Kind, command string) {
	by := &lock.Holder{User: "ann", Host: "build-1", CI: "https://ci.internal/job/42", Reason: "the \x1b[31mhotfix"}
	asked := &rollout.Asked{Command: command, Version: "1.1.0", Nodes: []string{"web-1", "web-2", "web-3"}, Flags: []string{"--batch", "2"}}
	r.add(rollout.Event{Kind: kind, By: by, Asked: asked})
}

func (r *recorded) add(e rollout.Event) {
	r.now = r.now.Add(e.Took + 100*time.Millisecond)
	e.Time, e.Deployment, e.Service, e.Environment = r.now, r.now.Format("20060102")+"T101500-ABCD", "api", "production"
	r.Apply(e)
}

func (r *recorded) step(node string, step rollout.Step, release string, failed *rollout.Failure) {
	r.add(rollout.Event{Kind: rollout.StepStarted, Node: node, Step: step, Release: release})
	e := rollout.Event{Kind: rollout.StepFinished, Node: node, Step: step, Release: release, Took: 1200 * time.Millisecond}
	if failed != nil {
		e.Kind, e.Failure = rollout.StepFailed, failed
	}
	r.add(e)
}

func (r *recorded) canary() {
	r.add(rollout.Event{Kind: rollout.WaveStarted, Wave: "canary", Number: 1, Waves: 2, Nodes: 1})
	r.activate("web-1")
	r.add(rollout.Event{Kind: rollout.BakeStarted, Wave: "canary", Text: "10s"})
	r.now = r.now.Add(10 * time.Second)
	r.add(rollout.Event{Kind: rollout.WaveFinished, Wave: "canary"})
	r.add(rollout.Event{Kind: rollout.WaveStarted, Wave: "batch 1", Number: 2, Waves: 2, Nodes: 2})
}

func (r *recorded) activate(node string) {
	for _, step := range []rollout.Step{rollout.StepSwitch, rollout.StepRestart, rollout.StepHealth, rollout.StepConfirm} {
		r.step(node, step, newID, nil)
	}
}

func (r *recorded) end(status rollout.Status, reason string) journal.Deployment {
	r.add(rollout.Event{Kind: rollout.WaveFinished, Wave: "batch 1"})
	o := rollout.Outcome{Status: status, Reason: reason, Release: rollout.Release{ID: newID, Version: "1.1.0"}}
	if reason != "" {
		r.add(rollout.Event{Kind: rollout.Decided, Decision: rollout.Halt, Wave: "batch 1", Text: reason})
	}
	for _, n := range r.Nodes {
		o.Nodes = append(o.Nodes, rollout.NodeOutcome{Node: n.Name, From: n.From, To: n.To, Known: n.Known, Runs: n.Runs, Touched: n.Touched, Healthy: n.Healthy,
			Restored: n.Restored, Failure: n.Failure, Undo: n.Undo})
	}
	r.add(rollout.Event{Kind: rollout.Finished, Outcome: &o})
	return r.Deployment
}

// records are deployments as they end, the newest first.
func records() map[string]journal.Deployment {
	bad := failure(rollout.Unhealthy, rollout.StepHealth, "http://127.0.0.1:8080/healthz answered 500 after 60s")
	succeeded := record(20, "deploy")
	succeeded.canary()
	succeeded.activate("web-2")
	succeeded.activate("web-3")
	mixed := record(21, "deploy")
	mixed.canary()
	mixed.step("web-2", rollout.StepSwitch, newID, nil)
	mixed.step("web-2", rollout.StepHealth, newID, bad)
	mixed.step("web-2", rollout.StepRestore, oldID, failure(rollout.Unreachable, rollout.StepRestore, "connection lost"))
	killed := record(22, "deploy")
	killed.canary()
	killed.add(rollout.Event{Kind: rollout.StepStarted, Node: "web-2", Step: rollout.StepSwitch, Release: newID})
	resumed := record(23, "deploy")
	resumed.canary()
	resumed.add(rollout.Event{Kind: rollout.StepStarted, Node: "web-2", Step: rollout.StepSwitch, Release: newID})
	resumed.begin(rollout.Resumed, "deploy")
	resumed.add(rollout.Event{Kind: rollout.Note, Node: "web-3", Text: "old releases stay: disk full"})
	resumed.add(rollout.Event{Kind: rollout.WaveStarted, Wave: "batch 1", Number: 1, Waves: 1, Nodes: 2})
	resumed.activate("web-2")
	resumed.step("web-3", rollout.StepSwitch, newID, nil)
	resumed.step("web-3", rollout.StepHealth, newID, bad)
	resumed.step("web-3", rollout.StepRestore, oldID, nil)
	resumed.Trimmed, resumed.File = []string{"the output of failures"}, "/home/ann/.local/state/rollpin/journal/production/api/20261123T101500-ABCD.jsonl"
	reason := "1 failed, the budget is 0"
	return map[string]journal.Deployment{
		"succeeded": succeeded.end(rollout.Succeeded, ""), "mixed": mixed.end(rollout.Mixed, reason),
		"killed": killed.Deployment, "resumed": resumed.end(rollout.Mixed, reason),
	}
}

// narrow sees that lines which a terminal shows are not longer than 80 columns, but for what somebody else wrote.
func narrow(t *testing.T, name, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if width := len([]rune(line)) - 1; width > 80 && !strings.Contains(line, "/") {
			t.Errorf("%s: %d columns: %s", name, width, line)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Errorf("%s: an escape sequence reached the terminal", name)
	}
}

func TestShow(t *testing.T) {
	for name, d := range records() {
		var out bytes.Buffer
		if err := WriteShow(&out, d, false); err != nil {
			t.Fatal(err)
		}
		golden(t, "show-"+name, out.String())
		narrow(t, name, out.String())
	}
}

func TestHistory(t *testing.T) {
	all := records()
	list := []journal.Deployment{all["resumed"], all["killed"], all["mixed"], all["succeeded"]}
	for i, status := range []rollout.Status{rollout.DryRun, rollout.Untouched, rollout.Restored, rollout.AllStaged} {
		d := record(10-i, "deploy")
		list = append(list, d.end(status, ""))
	}
	var out, cut, document bytes.Buffer
	if err := WriteHistory(&out, Histories(list, 0), false); err != nil {
		t.Fatal(err)
	}
	golden(t, "history", out.String())
	narrow(t, "history", out.String())
	histories := Histories(list, 2)
	if err := WriteHistory(&cut, histories, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "history-limit", cut.String())
	if err := WriteHistoryJSON(&document, histories); err != nil || strings.Count(document.String(), `"last_known_good": true`) != 1 {
		t.Errorf("%v: %s", err, document.String())
	}
}
