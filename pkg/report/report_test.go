package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/rollout"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with testdata/report/NAME.txt.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("..", "..", "testdata", "report", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", file, text)
	}
}

const (
	oldID = "1.0.0-aaaaaaaa"
	newID = "1.1.0-bbbbbbbb"
)

func failure(class rollout.Class, step rollout.Step, text string) *rollout.Failure {
	return &rollout.Failure{Class: class, Step: step, Text: text, Log: []string{"Traceback (most recent call last):", "KeyError: \x1b[31m'DB'"}, Hint: "look at the log"}
}

// story is a deployment that fails in its first batch, told second by second.
func story(tell func(rollout.Event)) {
	p := plan.Plan{Service: "api", Environment: "production", Targets: 3, Waves: []plan.Wave{
		{Name: "canary", Steps: []plan.Step{{Node: "web-1", From: oldID, To: newID}}},
		{Name: "batch 1", Steps: []plan.Step{{Node: "web-2", From: oldID, To: newID}, {Node: "web-3", From: oldID, To: newID}}},
	}}
	say := func(e rollout.Event) {
		time.Sleep(time.Second)
		e.Time = time.Now()
		tell(e)
	}
	step := func(node string, s rollout.Step, release string) {
		say(rollout.Event{Kind: rollout.StepStarted, Node: node, Step: s, Release: release})
		say(rollout.Event{Kind: rollout.StepFinished, Node: node, Step: s, Release: release, Took: time.Second})
	}
	say(rollout.Event{Kind: rollout.Started, Nodes: 3})
	step("web-1", rollout.StepProbe, "")
	say(rollout.Event{Kind: rollout.Resolved, Release: newID, Resolved: &rollout.Release{ID: newID, Version: "1.1.0", Packages: 2}})
	say(rollout.Event{Kind: rollout.Planned, Plan: &p})
	step("web-1", rollout.StepStage, newID)
	say(rollout.Event{Kind: rollout.WaveStarted, Wave: "canary", Number: 1, Waves: 2, Nodes: 1})
	step("web-1", rollout.StepSwitch, newID)
	say(rollout.Event{Kind: rollout.StepStarted, Node: "web-1", Step: rollout.StepHealth, Release: newID})
	time.Sleep(70 * time.Second)
	say(rollout.Event{Kind: rollout.StepFinished, Node: "web-1", Step: rollout.StepHealth, Release: newID, Took: 71 * time.Second})
	say(rollout.Event{Kind: rollout.BakeStarted, Wave: "canary", Nodes: 1, Text: "40s"})
	time.Sleep(40 * time.Second)
	say(rollout.Event{Kind: rollout.WaveFinished, Wave: "canary"})
	say(rollout.Event{Kind: rollout.WaveStarted, Wave: "batch 1", Number: 2, Waves: 2, Nodes: 2})
	say(rollout.Event{Kind: rollout.StepStarted, Node: "web-2", Step: rollout.StepRestart, Release: newID})
	say(rollout.Event{Kind: rollout.StepFailed, Node: "web-2", Step: rollout.StepRestart, Failure: failure(rollout.Failed, rollout.StepRestart, "api.service failed: exit-code 1")})
	step("web-2", rollout.StepRestore, oldID)
	say(rollout.Event{Kind: rollout.Decided, Decision: rollout.RollBack, Text: "1 failed, the budget is 0"})
	step("web-1", rollout.StepRestore, oldID)
	say(rollout.Event{Kind: rollout.Finished})
}

func TestPlainLinesAndHeartbeat(t *testing.T) {
	for name, l := range map[string]lines{"plain": {}, "plain-verbose": {verbose: true}, "plain-quiet": {quiet: true}} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			l.style = newStyle(false)
			p := newPlain(&out, l)
			story(p.Event)
			p.Close()
			golden(t, name, out.String())
			last := 0
			for line := range strings.Lines(out.String()) {
				at, err := time.Parse("04:05", line[:5])
				if err != nil {
					t.Fatalf("%q has no time: %v", line, err)
				}
				now := at.Minute()*60 + at.Second()
				if now-last > 30 {
					t.Errorf("silence of %d s before %q", now-last, line)
				}
				last = now
			}
		})
	}
}

func TestLiveNeverWrapsItsBlockAndEndsClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := newLive(&out, func() int { return 30 }, lines{style: newStyle(false)})
		story(v.Event)
		v.Close()
		screen := render(t, out.String(), 30)
		golden(t, "live", screen)
		if strings.Contains(screen, "⠋") || strings.Contains(screen, "restart …") {
			t.Error("the block is still on the screen")
		}
	})
}

// render plays what was written on a terminal that knows line feed, carriage return, cursor up and erase to the end.
func render(t *testing.T, text string, width int) string {
	t.Helper()
	rows := []string{""}
	at := 0
	for len(text) > 0 {
		switch {
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexAny(text, "AJ")
			switch {
			case end < 0:
				t.Fatalf("unknown sequence %q", text[:10])
			case text[end] == 'A':
				up := 0
				for _, digit := range text[2:end] {
					up = up*10 + int(digit-'0')
				}
				if at -= up; at < 0 {
					t.Fatal("the cursor left the screen")
				}
			default:
				rows = rows[:at+1]
				rows[at] = ""
			}
			text = text[end+1:]
		case text[0] == '\r':
			text = text[1:]
		case text[0] == '\n':
			if at++; at == len(rows) {
				rows = append(rows, "")
			}
			text = text[1:]
		default:
			end := strings.IndexAny(text, "\x1b\r\n")
			if end < 0 {
				end = len(text)
			}
			if strings.Contains(text[:end], "⠋") && len([]rune(text[:end])) > width {
				t.Errorf("a row of the block is wider than the terminal: %q", text[:end])
			}
			rows[at] += text[:end]
			text = text[end:]
		}
	}
	return strings.Join(rows, "\n")
}

func TestJSONIsOneObjectALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		story(JSON(&out).Event)
		for line := range strings.Lines(out.String()) {
			var e rollout.Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	})
}

func TestSummaries(t *testing.T) {
	node := func(name string, change func(*rollout.NodeOutcome)) rollout.NodeOutcome {
		n := rollout.NodeOutcome{Node: name, From: oldID, To: newID, Known: true, Runs: newID, Touched: true, Healthy: true}
		if change != nil {
			change(&n)
		}
		return n
	}
	restored := func(f *rollout.Failure) func(*rollout.NodeOutcome) {
		return func(n *rollout.NodeOutcome) { n.Runs, n.Healthy, n.Restored, n.Failure = oldID, false, true, f }
	}
	untouched := func(n *rollout.NodeOutcome) { n.Runs, n.Healthy, n.Touched = oldID, false, false }
	release := rollout.Release{ID: newID, Version: "1.1.0"}
	bad := failure(rollout.Unhealthy, rollout.StepHealth, "http://127.0.0.1:8080/healthz answered 500 after 60s")
	for name, o := range map[string]rollout.Outcome{
		"succeeded": {Status: rollout.Succeeded, Release: release, Nodes: []rollout.NodeOutcome{node("web-1", nil), node("web-2", nil)}},
		"unchanged": {Status: rollout.Unchanged, Release: release, Nodes: []rollout.NodeOutcome{
			node("web-1", func(n *rollout.NodeOutcome) { n.Touched, n.From = false, newID })}},
		"dry-run": {Status: rollout.DryRun, Release: release, Nodes: []rollout.NodeOutcome{node("web-1", untouched)}},
		"restored": {Status: rollout.Restored, Release: release, Err: errors.New("x"), Reason: "stopped after batch 1: 2 failed, the budget is 0",
			Nodes: []rollout.NodeOutcome{node("web-1", restored(nil)), node("web-10", restored(bad)), node("web-2", restored(bad)), node("web-3", untouched)}},
		"mixed": {Status: rollout.Mixed, Release: release, Err: errors.New("x"), Reason: "stopped after canary: the canary failed as a whole",
			Nodes: []rollout.NodeOutcome{
				node("web-1", func(n *rollout.NodeOutcome) {
					n.Healthy, n.Failure, n.Undo = false, bad, failure(rollout.Failed, rollout.StepRestore, "disk full")
				}),
				node("web-2", func(n *rollout.NodeOutcome) {
					n.Known, n.Runs, n.Healthy, n.Touched = false, "", false, false
					n.Failure = failure(rollout.Unreachable, rollout.StepProbe, "connection refused")
				}),
				node("web-3", nil)}},
		"first-deployment": {Status: rollout.Mixed, Release: release, Err: errors.New("x"), Reason: "stopped after canary: 1 failed, the budget is 0",
			Nodes: []rollout.NodeOutcome{node("web-1", func(n *rollout.NodeOutcome) {
				n.From, n.Runs, n.Healthy, n.Stopped, n.Failure = "", "", false, true, bad
			})}},
		"first-deployment-by-command": {Status: rollout.Mixed, Release: release, Nodes: []rollout.NodeOutcome{
			node("web-1", func(n *rollout.NodeOutcome) { n.From, n.Runs, n.Healthy, n.Failure = "", "", false, bad })}},
		"undo-failed": {Status: rollout.Mixed, Release: release, Err: errors.New("x"), Reason: "stopped after batch 1: 1 failed, the budget is 0",
			Nodes: []rollout.NodeOutcome{
				node("web-1", func(n *rollout.NodeOutcome) {
					n.Healthy, n.Known, n.Undo = false, false, failure(rollout.Unreachable, rollout.StepRestore, "connection lost")
				}),
				node("web-2", restored(bad))}},
		"problems": {Status: rollout.Untouched, Wanted: "1.1.0", Err: errors.New("x"), Reason: "3 of 3 nodes are not ready", Problems: []rollout.NodeProblem{
			{Node: "web-1", Problem: rollout.Problem{Text: "no python3", Hint: "apt-get install python3"}},
			{Node: "web-2", Problem: rollout.Problem{Text: "no python3", Hint: "apt-get install python3"}},
			{Node: "web-3", Problem: rollout.Problem{Text: "connection refused"}}},
			Nodes: []rollout.NodeOutcome{node("web-1", untouched), node("web-2", untouched), node("web-3", untouched)}},
		"interrupted": {Status: rollout.Mixed, Interrupted: "interrupted by SIGTERM", Release: release, Err: errors.New("x"), Reason: "interrupted by SIGTERM",
			Nodes: []rollout.NodeOutcome{node("web-1", nil), node("web-2", restored(nil)), node("web-3", untouched)}},
		"rollback": {Status: rollout.Succeeded, Rollback: true, Release: rollout.Release{ID: oldID, Version: "1.0.0"},
			Nodes: []rollout.NodeOutcome{node("web-1", func(n *rollout.NodeOutcome) { n.From, n.To, n.Runs = newID, oldID, oldID })}},
		"rollback-mixed": {Status: rollout.Mixed, Rollback: true, Release: rollout.Release{ID: oldID, Version: "1.0.0"},
			Nodes: []rollout.NodeOutcome{
				node("web-1", func(n *rollout.NodeOutcome) { n.From, n.To, n.Runs = newID, oldID, oldID }),
				node("web-2", func(n *rollout.NodeOutcome) {
					n.From, n.To, n.Healthy, n.Failure = newID, oldID, false, failure(rollout.Unreachable, rollout.StepSwitch, "connection lost")
				})}},
	} {
		var out bytes.Buffer
		o.Took = 83 * time.Second
		s := Summary{Service: "api", Environment: "production", Outcome: o, Flags: " --config x.yaml --batch 2", BackFlags: " --config x.yaml"}
		if err := s.Write(&out); err != nil {
			t.Fatal(err)
		}
		golden(t, "summary-"+name, out.String())
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: an escape sequence of a node reached the terminal", name)
		}
	}
}

func TestStatus(t *testing.T) {
	node := func(name, release string, faults ...string) rollout.NodeStatus {
		return rollout.NodeStatus{Node: name, Release: release, Service: "running", Healthy: "healthy", Confirmed: true, Faults: faults}
	}
	unready := func(name string) rollout.NodeStatus {
		n := node(name, newID)
		n.Problems = []rollout.Problem{{Text: "there is no python3 in PATH", Hint: "install Python 3.7 or newer on the node"}}
		return n
	}
	for name, c := range map[string]struct {
		nodes []rollout.NodeStatus
		well  bool
	}{
		"well":  {[]rollout.NodeStatus{node("web-1", newID), node("web-2", newID)}, true},
		"mixed": {[]rollout.NodeStatus{node("web-1", newID), node("web-2", newID), node("web-3", oldID)}, false},
		"drift": {[]rollout.NodeStatus{node("web-1", newID, "its process is older than the link"), node("web-2", newID)}, false},
		"silent": {[]rollout.NodeStatus{node("web-1", newID), {Node: "web-2", Error: "connection refused", Hint: "is sshd running?"},
			{Node: "web-3", Error: "connection refused", Hint: "is sshd running?"}}, false},
		"empty":   {[]rollout.NodeStatus{{Node: "web-1"}}, false},
		"unready": {[]rollout.NodeStatus{unready("web-10"), unready("web-2"), node("web-3", newID)}, true},
	} {
		var out bytes.Buffer
		s := Status{Service: "api", Environment: "production", Nodes: c.nodes}
		if err := WriteStatus(&out, []Status{s}, false); err != nil {
			t.Fatal(err)
		}
		golden(t, "status-"+name, out.String())
		if s.Well() != c.well {
			t.Errorf("%s: well is %v", name, s.Well())
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain é":          "plain é",
		"\x1b]0;title\x07": " ]0;title ",
		"a\tb\r\nc":        "a b  c",
		"\u202egnp.exe":    " gnp.exe",
		"\u009b31m":        " 31m",
		"bad \xff byte":    "bad ? byte",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
