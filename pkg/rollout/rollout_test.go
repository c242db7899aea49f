package rollout

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/release"
)

func play(t *testing.T, f *fakeFleet, change func(*Deployment)) (Outcome, []Event) {
	t.Helper()
	var outcome Outcome
	var events []Event
	synctest.Test(t, func(t *testing.T) {
		outcome = Run(t.Context(), t.Context(), deployment(f, change), f, nil, func(e Event) { events = append(events, e) })
	})
	return outcome, events
}

func stageOnly(budget int) func(*Deployment) {
	return func(d *Deployment) { d.StageOnly, d.Strategy.MaxFailures = true, config.Size{N: budget} }
}

func TestOutcomes(t *testing.T) {
	failing := func(node, step string) func(string, string, string) error {
		return func(n, s, id string) error {
			if n == node && s == step && id != oldID {
				return errors.New("disk full")
			}
			return nil
		}
	}
	unreachable := func(node string) func(string, string, string) error {
		return func(n, _, _ string) error {
			if n == node {
				return &Failure{Class: Unreachable, Text: "connection refused"}
			}
			return nil
		}
	}
	for _, c := range []struct {
		name    string
		nodes   int
		current string
		change  func(*Deployment)
		fail    func(node, step, id string) error
		status  Status
		runs    string
		touched string
	}{
		{name: "all goes well", nodes: 5, current: oldID, status: Succeeded,
			runs: "1.1.0 1.1.0 1.1.0 1.1.0 1.1.0", touched: "web-1 web-2 web-3 web-4 web-5"},
		{name: "already there", nodes: 2, current: newID, status: Unchanged, runs: "1.1.0 1.1.0"},
		{name: "a dry run", nodes: 2, current: oldID, change: func(d *Deployment) { d.DryRun = true }, status: DryRun, runs: "1.0.0 1.0.0"},
		{name: "declined", nodes: 2, current: oldID, change: func(d *Deployment) { d.Confirm = func(plan.Plan) bool { return false } },
			status: Untouched, runs: "1.0.0 1.0.0"},
		{name: "an unhealthy canary is the only node touched", nodes: 5, current: oldID, fail: unhealthy("web-1", "1.1.0"), status: Restored,
			runs: "1.0.0 1.0.0 1.0.0 1.0.0 1.0.0", touched: "web-1"},
		{name: "a canary that cannot restart", nodes: 5, current: oldID, fail: failing("web-1", "restart"), status: Restored,
			runs: "1.0.0 1.0.0 1.0.0 1.0.0 1.0.0", touched: "web-1"},
		{name: "a failed switch leaves the running service alone", nodes: 3, current: oldID, fail: failing("web-1", "switch"), status: Untouched,
			runs: "1.0.0 1.0.0 1.0.0", touched: "web-1"},
		{name: "a failure in a later wave unwinds all", nodes: 5, current: oldID, fail: unhealthy("web-4", "1.1.0"), status: Restored,
			runs: "1.0.0 1.0.0 1.0.0 1.0.0 1.0.0", touched: "web-1 web-2 web-3 web-4 web-5"},
		{name: "halt leaves things as they are", nodes: 5, current: oldID, change: func(d *Deployment) { d.Strategy.OnFailure = "halt" },
			fail: unhealthy("web-2", "1.1.0"), status: Mixed, runs: "1.1.0 1.1.0 1.1.0 1.0.0 1.0.0", touched: "web-1 web-2 web-3"},
		{name: "a failure inside the budget is no success", nodes: 4, current: oldID,
			change: func(d *Deployment) { d.Strategy.MaxFailures = config.Size{N: 1} },
			fail:   unhealthy("web-3", "1.1.0"), status: Mixed, runs: "1.1.0 1.1.0 1.0.0 1.1.0", touched: "web-1 web-2 web-3 web-4"},
		{name: "a canary that fails as a whole stops whatever the budget", nodes: 4, current: oldID,
			change: func(d *Deployment) { d.Strategy.MaxFailures = config.Size{N: 3} },
			fail:   unhealthy("web-1", "1.1.0"), status: Restored, runs: "1.0.0 1.0.0 1.0.0 1.0.0", touched: "web-1"},
		{name: "an unreachable node stops in preflight", nodes: 3, current: oldID, fail: unreachable("web-2"), status: Untouched, runs: "1.0.0 1.0.0 1.0.0"},
		{name: "an unreachable node inside the budget", nodes: 3, current: oldID, change: func(d *Deployment) { d.Strategy.MaxFailures = config.Size{N: 1} },
			fail: unreachable("web-2"), status: Mixed, runs: "1.1.0 1.0.0 1.1.0", touched: "web-1 web-3"},
		{name: "staging fails", nodes: 3, current: oldID, fail: failing("web-3", "stage"), status: Untouched, runs: "1.0.0 1.0.0 1.0.0"},
		{name: "staging is all that was asked for", nodes: 3, current: oldID, change: stageOnly(0), status: AllStaged, runs: "1.0.0 1.0.0 1.0.0"},
		{name: "to be staged, and it runs already", nodes: 2, current: newID, change: stageOnly(0), status: Unchanged, runs: "1.1.0 1.1.0"},
		{name: "staging that fails on one node is no success, whatever the budget", nodes: 3, current: oldID, change: stageOnly(1),
			fail: failing("web-3", "stage"), status: Untouched, runs: "1.0.0 1.0.0 1.0.0"},
		{name: "nor is staging without a node that is gone", nodes: 3, current: oldID, change: stageOnly(1), fail: unreachable("web-2"),
			status: Untouched, runs: "1.0.0 1.0.0 1.0.0"},
		{name: "staging fails inside the budget", nodes: 3, current: oldID, change: func(d *Deployment) { d.Strategy.MaxFailures = config.Size{N: 1} },
			fail: failing("web-1", "stage"), status: Mixed, runs: "1.0.0 1.1.0 1.1.0", touched: "web-2 web-3"},
		{name: "the first deployment ever fails", nodes: 2, fail: unhealthy("web-1", "1.1.0"), status: Mixed, runs: "- -", touched: "web-1"},
		{name: "a first deployment that fails later leaves healthy nodes running", nodes: 3, fail: unhealthy("web-2", "1.1.0"), status: Mixed,
			runs: "1.1.0 - 1.1.0", touched: "web-1 web-2 web-3"},
		{name: "resolving fails", nodes: 2, current: oldID, fail: failing("", "resolve"), status: Untouched, runs: "1.0.0 1.0.0"},
		{name: "a node that cannot be put back", nodes: 2, current: oldID, fail: func(n, step, id string) error {
			if step == "restart" {
				return errors.New("unit failed")
			}
			return nil
		}, status: Mixed, runs: "1.0.0 1.0.0", touched: "web-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeFleet(c.nodes, c.current)
			if c.fail != nil {
				f.fail = c.fail
			}
			outcome, _ := play(t, f, c.change)
			if outcome.Status != c.status {
				t.Errorf("status %s, want %s (%s)", outcome.Status, c.status, outcome.Reason)
			}
			if got := f.runs(); got != c.runs {
				t.Errorf("the nodes run %s, want %s", got, c.runs)
			}
			if got := f.touched(); got != c.touched {
				t.Errorf("touched %q, want %q", got, c.touched)
			}
			for _, n := range outcome.Nodes {
				if n.Failure == nil && n.Runs != f.facts[n.Node].Current {
					t.Errorf("%s runs %q, the outcome says %q", n.Node, f.facts[n.Node].Current, n.Runs)
				}
			}
		})
	}
}

func TestAllProblemsOfAllNodesAtOnce(t *testing.T) {
	f := newFakeFleet(4, oldID)
	broken := f.facts["web-2"]
	broken.Problems = []Problem{{Text: "no python3", Hint: "install it"}, {Text: "disk full"}}
	f.facts["web-2"] = broken
	f.fail = func(n, step, _ string) error {
		if n == "web-4" {
			return &Failure{Class: Unreachable, Text: "connection refused"}
		}
		return nil
	}
	outcome, _ := play(t, f, nil)
	var got []string
	for _, p := range outcome.Problems {
		got = append(got, p.Node+": "+p.Text)
	}
	if want := "web-2: no python3, web-2: disk full, web-4: connection refused"; strings.Join(got, ", ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if outcome.Reason != "2 of 4 nodes are not ready" {
		t.Errorf("reason: %s", outcome.Reason)
	}
}

func TestBatchesBoundHowManyNodesAreInFlight(t *testing.T) {
	f := newFakeFleet(9, oldID)
	play(t, f, nil)
	if f.most != 2 {
		t.Errorf("%d nodes were in flight at once, the batch is 2", f.most)
	}
}

func TestAlreadyThereIsOneCommandANode(t *testing.T) {
	f := newFakeFleet(3, newID)
	play(t, f, nil)
	if len(f.calls) != 3 {
		t.Errorf("3 nodes took %d commands: %v", len(f.calls), f.calls)
	}
}

func TestAHalfDoneNodeIsTakenUpAgain(t *testing.T) {
	f := newFakeFleet(2, oldID)
	// The deployer was killed between the switch and the restart of web-1.
	half := f.facts["web-1"]
	half.Current, half.Confirmed = newID, ""
	half.Records[newID] = release.Record{ID: newID, Previous: oldID, Deployment: "d1"}
	f.facts["web-1"] = half
	outcome, _ := play(t, f, nil)
	if outcome.Status != Succeeded || f.runs() != "1.1.0 1.1.0" {
		t.Errorf("%s: %s", outcome.Status, f.runs())
	}

	f = newFakeFleet(2, oldID)
	f.facts["web-1"] = half
	f.fail = unhealthy("web-1", "1.1.0")
	outcome, _ = play(t, f, nil)
	if outcome.Status != Restored || f.runs() != "1.0.0 1.0.0" {
		t.Errorf("a half done node goes back to what it ran before: %s: %s", outcome.Status, f.runs())
	}
}

func TestBakeSeesAWaveGoBad(t *testing.T) {
	for _, class := range []Class{Unreachable, Failed, Unhealthy} {
		f := newFakeFleet(3, oldID)
		checks := 0
		f.fail = func(n, step, id string) error {
			if step == "check" {
				if checks++; checks > 3 {
					return &Failure{Class: class, Text: "as it may be"}
				}
			}
			return nil
		}
		began := time.Time{}
		outcome, events := play(t, f, func(d *Deployment) { d.Strategy.Bake = time.Minute })
		if outcome.Status != Restored || f.touched() != "web-1" {
			t.Fatalf("%s, touched %s", outcome.Status, f.touched())
		}
		if failure := outcome.Nodes[0].Failure; failure.Class != class || failure.Step != StepBake {
			t.Errorf("the last block calls a node that was %s while it baked %s at %s", class, failure.Class, failure.Step)
		}
		for _, e := range events {
			if e.Kind == BakeStarted {
				began = e.Time
			}
			if e.Kind == StepFailed && (e.Failure.Class != class || e.Time.Sub(began) > 20*time.Second) {
				t.Errorf("%s after %s, want %s", e.Failure.Class, e.Time.Sub(began), class)
			}
		}
	}
}

func TestBakeForgivesOneBlip(t *testing.T) {
	f := newFakeFleet(2, oldID)
	checks := 0
	f.fail = func(n, step, id string) error {
		if step == "check" {
			if checks++; checks == 2 {
				return errors.New("answered 503")
			}
		}
		return nil
	}
	outcome, _ := play(t, f, func(d *Deployment) { d.Strategy.Bake = time.Minute })
	if outcome.Status != Succeeded {
		t.Errorf("%s: %s", outcome.Status, outcome.Reason)
	}
	if outcome.Took < time.Minute || outcome.Took > 90*time.Second {
		t.Errorf("one bake of a minute took %s in all: the last wave has none", outcome.Took)
	}
}

func TestInterruptBringsNodesInFlightToASafeEnd(t *testing.T) {
	for second := range 14 {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeFleet(3, oldID)
			soft, interrupt := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Duration(second)*time.Second+time.Second/2, func() { interrupt(errors.New("SIGTERM")) })
			began := time.Now()
			outcome := Run(t.Context(), soft, deployment(f, nil), f, nil, func(Event) {})
			if late := time.Since(began) - time.Duration(second)*time.Second; late > grace+time.Second {
				t.Errorf("interrupted after %d s: ended %s later", second, late)
			}
			if strings.Contains(f.runs(), "!") {
				t.Errorf("interrupted after %d s: a node was left between switch and restart: %s", second, f.runs())
			}
			for _, n := range outcome.Nodes {
				if n.Runs != "" && n.Runs != f.facts[n.Node].Current {
					t.Errorf("interrupted after %d s: %s runs %s, the outcome says %s", second, n.Node, f.facts[n.Node].Current, n.Runs)
				}
			}
			mixed := strings.Contains(f.runs(), "1.0.0") && strings.Contains(f.runs(), "1.1.0")
			if mixed != (outcome.Status == Mixed) {
				t.Errorf("interrupted after %d s: status %s, the nodes run %s", second, outcome.Status, f.runs())
			}
			if cutShort := outcome.Status != Succeeded; cutShort && outcome.Interrupted != "SIGTERM" {
				t.Errorf("interrupted after %d s: the outcome says %q", second, outcome.Interrupted)
			}
		})
	}
}

func TestTheSecondInterruptStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(3, oldID)
		f.slow = map[string]time.Duration{"switch": time.Minute}
		hard, stopAtOnce := context.WithCancelCause(t.Context())
		soft, stopSoftly := context.WithCancelCause(hard)
		time.AfterFunc(3500*time.Millisecond, func() { stopSoftly(errors.New("SIGINT")) })
		time.AfterFunc(4*time.Second, func() { stopAtOnce(errors.New("SIGINT")) })
		began := time.Now()
		outcome := Run(hard, soft, deployment(f, nil), f, nil, func(Event) {})
		if took := time.Since(began); took > 4100*time.Millisecond {
			t.Errorf("ended after %s", took)
		}
		if n := outcome.Nodes[0]; outcome.Status != Mixed || n.Known {
			t.Errorf("%s: nobody knows how far the switch of web-1 came, and the outcome says it runs %s", outcome.Status, n.Runs)
		}
	})
}

func TestASlowRestartIsCutShortForTheWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(3, oldID)
		f.slow = map[string]time.Duration{"restart": 20 * time.Second}
		soft, interrupt := context.WithCancelCause(t.Context())
		time.AfterFunc(4500*time.Millisecond, func() {
			interrupt(errors.New("SIGTERM"))
			f.mu.Lock()
			f.slow = nil // the old release starts at once
			f.mu.Unlock()
		})
		outcome := Run(t.Context(), soft, deployment(f, nil), f, nil, func(Event) {})
		if f.runs() != "1.0.0 1.0.0 1.0.0" || outcome.Status != Restored {
			t.Errorf("%s: the nodes run %s", outcome.Status, f.runs())
		}
	})
}

func TestEveryNodeOfAWaveIsWatched(t *testing.T) {
	for _, bake := range []time.Duration{time.Second, 5 * time.Second, time.Minute} {
		f := newFakeFleet(6, oldID)
		f.slow = map[string]time.Duration{"check": time.Millisecond}
		f.fail = func(n, step, id string) error {
			if step == "check" && n == "web-4" {
				return errors.New("answered 500")
			}
			return nil
		}
		outcome, _ := play(t, f, func(d *Deployment) {
			d.Parallel, d.Strategy.Canary, d.Strategy.Batch, d.Strategy.Bake = 2, config.Size{}, config.Size{N: 5}, bake
		})
		if outcome.Status != Restored || f.runs() != "1.0.0 1.0.0 1.0.0 1.0.0 1.0.0 1.0.0" {
			t.Errorf("a bake of %s does not see that web-4 is bad: %s", bake, outcome.Status)
		}
	}
}

func TestAConfirmThatFailsOnTheWayBackIsNoFailure(t *testing.T) {
	f := newFakeFleet(2, oldID)
	f.fail = func(n, step, id string) error {
		if step == "confirm" {
			return errors.New("disk full")
		}
		return nil
	}
	outcome, _ := play(t, f, nil)
	if outcome.Status != Restored || outcome.Nodes[0].Undo != nil {
		t.Errorf("%s, %+v", outcome.Status, outcome.Nodes[0].Undo)
	}
}

func TestANodeThatCannotGoBackIsAskedWhatItRuns(t *testing.T) {
	f := newFakeFleet(1, oldID)
	f.fail = func(n, step, id string) error {
		if step == "healthy" || step == "switch" && id == oldID {
			return errors.New("read-only file system")
		}
		return nil
	}
	outcome, _ := play(t, f, nil)
	if n := outcome.Nodes[0]; n.Undo == nil || !n.Known || n.Runs != newID {
		t.Errorf("known %t, runs %s, %v", n.Known, n.Runs, n.Undo)
	}
}

func TestOnlyWhatWasHealthyBecomesAPredecessor(t *testing.T) {
	f := newFakeFleet(1, oldID)
	broken := f.facts["web-1"] // 1.0.5 was left as it is, unhealthy; before it ran 1.0.0
	broken.Current, broken.Confirmed = "1.0.5-cccccccc", ""
	broken.Records["1.0.5-cccccccc"] = release.Record{ID: "1.0.5-cccccccc", Previous: oldID, Deployment: "d0"}
	f.facts["web-1"] = broken
	play(t, f, nil)
	if previous := f.facts["web-1"].CurrentRecord().Previous; previous != oldID {
		t.Errorf("a rollback would go to %s", previous)
	}
}

func TestAStoppedServiceIsPutBackOnItsOwnRelease(t *testing.T) {
	f := newFakeFleet(2, newID)
	stopped := f.facts["web-1"]
	stopped.Service.Name = "stopped"
	f.facts["web-1"] = stopped
	f.fail = unhealthy("web-1", "1.1.0")
	outcome, _ := play(t, f, nil)
	if outcome.Status != Mixed || f.runs() != "1.1.0 1.1.0" {
		t.Errorf("%s: %s", outcome.Status, f.runs())
	}
}

func TestAHalfDoneFirstReleaseIsWithdrawn(t *testing.T) {
	f := newFakeFleet(1, "")
	half := f.facts["web-1"]
	half.Current = newID
	half.Records[newID] = release.Record{ID: newID, Deployment: "d0"}
	f.facts["web-1"] = half
	f.fail = unhealthy("web-1", "1.1.0")
	outcome, _ := play(t, f, nil)
	if outcome.Status != Mixed || f.runs() != "-" || !outcome.Nodes[0].Stopped {
		t.Errorf("%s: %s", outcome.Status, f.runs())
	}
}

func TestUnreachableInsideTheBudgetIsMixedAlsoIfTheOthersRanItAlready(t *testing.T) {
	f := newFakeFleet(2, newID)
	f.fail = func(n, _, _ string) error {
		if n == "web-2" {
			return &Failure{Class: Unreachable, Text: "timeout"}
		}
		return nil
	}
	outcome, _ := play(t, f, func(d *Deployment) { d.Strategy.MaxFailures = config.Size{N: 1} })
	if outcome.Status != Mixed {
		t.Errorf("%s", outcome.Status)
	}
}

func TestRollback(t *testing.T) {
	deployed := func(t *testing.T, fail func(string, string, string) error, change func(*Deployment)) *fakeFleet {
		f := newFakeFleet(4, oldID)
		if fail != nil {
			f.fail = fail
		}
		play(t, f, change)
		f.fail = func(string, string, string) error { return nil }
		f.calls = nil
		return f
	}
	back := func(version string) func(*Deployment) {
		return func(d *Deployment) { d.Rollback, d.Version, d.ID = true, version, "d2" }
	}

	t.Run("to what the fleet ran before", func(t *testing.T) {
		f := deployed(t, nil, nil)
		outcome, _ := play(t, f, back(""))
		if outcome.Status != Succeeded || f.runs() != "1.0.0 1.0.0 1.0.0 1.0.0" {
			t.Errorf("%s: %s", outcome.Status, f.runs())
		}
		outcome, _ = play(t, f, func(d *Deployment) { back("")(d); d.ID = "d3" })
		if outcome.Status != Succeeded || f.runs() != "0.9.0 0.9.0 0.9.0 0.9.0" {
			t.Errorf("a second rollback goes further back: %s: %s", outcome.Status, f.runs())
		}
	})
	t.Run("to a version that only this machine keeps", func(t *testing.T) {
		f := deployed(t, nil, nil)
		f.remembered = "0.8.0-88888888"
		outcome, _ := play(t, f, back("0.8.0"))
		if outcome.Status != Succeeded || f.runs() != "0.8.0 0.8.0 0.8.0 0.8.0" {
			t.Errorf("%s: %s", outcome.Status, f.runs())
		}
	})
	t.Run("to a version that nobody keeps", func(t *testing.T) {
		f := deployed(t, nil, nil)
		outcome, _ := play(t, f, back("0.8.0"))
		if outcome.Status != Untouched || !strings.Contains(outcome.Reason, "no node holds a release of version 0.8.0") {
			t.Errorf("%s: %s", outcome.Status, outcome.Reason)
		}
	})
	t.Run("of some nodes first, and of the others later", func(t *testing.T) {
		f := deployed(t, nil, nil)
		play(t, f, func(d *Deployment) { back("")(d); d.Nodes = d.Nodes[:1] })
		if f.runs() != "1.0.0 1.1.0 1.1.0 1.1.0" {
			t.Fatalf("some: %s", f.runs())
		}
		outcome, _ := play(t, f, func(d *Deployment) { back("")(d); d.ID = "d3" })
		if outcome.Status != Succeeded || f.runs() != "1.0.0 1.0.0 1.0.0 1.0.0" {
			t.Errorf("%s: %s", outcome.Status, f.runs())
		}
	})
	t.Run("that cannot write down what it did, as on a full disk", func(t *testing.T) {
		f := deployed(t, nil, nil)
		f.fail = func(_, step, _ string) error {
			if step == "confirm" {
				return errors.New("no space left on device")
			}
			return nil
		}
		outcome, _ := play(t, f, back(""))
		if outcome.Status != Succeeded || f.runs() != "1.0.0 1.0.0 1.0.0 1.0.0" {
			t.Errorf("%s: %s", outcome.Status, f.runs())
		}
	})
	t.Run("of a mixed fleet leaves the nodes alone that the deployment did not reach", func(t *testing.T) {
		f := deployed(t, unhealthy("web-2", "1.1.0"), func(d *Deployment) { d.Strategy.OnFailure = "halt" })
		if f.runs() != "1.1.0 1.1.0 1.1.0 1.0.0" {
			t.Fatalf("before: %s", f.runs())
		}
		outcome, _ := play(t, f, back(""))
		if outcome.Status != Succeeded || f.runs() != "1.0.0 1.0.0 1.0.0 1.0.0" || f.touched() != "web-1 web-2 web-3" {
			t.Errorf("%s: %s, touched %s", outcome.Status, f.runs(), f.touched())
		}
	})
	t.Run("of a deployment that took two runs", func(t *testing.T) {
		f := newFakeFleet(4, oldID)
		play(t, f, func(d *Deployment) { d.Nodes = d.Nodes[:3] })
		play(t, f, func(d *Deployment) { d.ID = "d1b" })
		outcome, _ := play(t, f, back(""))
		if outcome.Status != Succeeded || f.runs() != "1.0.0 1.0.0 1.0.0 1.0.0" {
			t.Errorf("%s: %s", outcome.Status, f.runs())
		}
	})
	t.Run("with a node that came later and ran nothing before", func(t *testing.T) {
		f := deployed(t, nil, nil)
		late := newFakeFleet(1, "").facts["web-1"]
		late.Current, late.Confirmed = newID, newID
		late.Records[newID] = release.Record{ID: newID, Deployment: "d1"}
		f.facts["web-5"] = late
		outcome, _ := play(t, f, back(""))
		if outcome.Status != Succeeded || f.runs() != "1.0.0 1.0.0 1.0.0 1.0.0 1.0.0" {
			t.Errorf("%s: %s", outcome.Status, f.runs())
		}
	})
	t.Run("a problem of one node holds nobody up", func(t *testing.T) {
		f := deployed(t, nil, nil)
		full := f.facts["web-3"]
		full.Problems = []Problem{{Text: "disk full"}}
		f.facts["web-3"] = full
		outcome, _ := play(t, f, back(""))
		if outcome.Status != Succeeded || f.runs() != "1.0.0 1.0.0 1.0.0 1.0.0" {
			t.Errorf("%s: %s", outcome.Status, f.runs())
		}
	})
	t.Run("one dead node does not hold it up", func(t *testing.T) {
		f := deployed(t, nil, nil)
		f.fail = func(n, _, _ string) error {
			if n == "web-1" {
				return &Failure{Class: Unreachable, Text: "timeout"}
			}
			return nil
		}
		outcome, _ := play(t, f, back(""))
		if outcome.Status != Mixed || f.runs() != "1.1.0 1.0.0 1.0.0 1.0.0" {
			t.Errorf("%s: %s", outcome.Status, f.runs())
		}
	})
	t.Run("to a version", func(t *testing.T) {
		f := deployed(t, nil, nil)
		outcome, _ := play(t, f, back("0.9.0"))
		if outcome.Status != Succeeded || f.runs() != "0.9.0 0.9.0 0.9.0 0.9.0" {
			t.Errorf("%s: %s", outcome.Status, f.runs())
		}
	})
	t.Run("to a version that no node holds", func(t *testing.T) {
		f := deployed(t, nil, nil)
		outcome, _ := play(t, f, back("7.0.0"))
		if outcome.Status != Untouched || outcome.Hint != "kept on the nodes: 0.9.0, 1.0.0, 1.1.0; to install it from the index: rollpin deploy api==7.0.0 -e production" {
			t.Errorf("%s: %s / %s", outcome.Status, outcome.Reason, outcome.Hint)
		}
	})
	t.Run("of the first release ever", func(t *testing.T) {
		f := newFakeFleet(2, "")
		play(t, f, nil)
		outcome, _ := play(t, f, back(""))
		if outcome.Status != Untouched || outcome.Hint != "kept on the nodes: 1.1.0; rollpin status api -e production" {
			t.Errorf("%s: %s / %s", outcome.Status, outcome.Reason, outcome.Hint)
		}
	})
	t.Run("to a release that does not come up stops after the first wave", func(t *testing.T) {
		f := deployed(t, nil, nil)
		f.fail = func(n, step, id string) error {
			if step == "healthy" {
				return &Failure{Class: Unhealthy, Text: "answered 500"}
			}
			return nil
		}
		outcome, _ := play(t, f, back(""))
		if outcome.Status != Mixed || f.touched() != "web-1 web-2" {
			t.Errorf("%s, touched %s", outcome.Status, f.touched())
		}
	})
}

func TestNoEventAfterTheEndAndOneAtATime(t *testing.T) {
	_, events := play(t, newFakeFleet(5, oldID), nil)
	if events[0].Kind != Started || events[len(events)-1].Kind != Finished {
		t.Errorf("first %s, last %s", events[0].Kind, events[len(events)-1].Kind)
	}
	for i, e := range events {
		if i > 0 && e.Time.Before(events[i-1].Time) {
			t.Error("events are out of order")
		}
	}
}

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		tally Tally
		want  Decision
	}{
		{Tally{Failures: 0, Budget: 0, OnFailure: "rollback"}, GoOn},
		{Tally{Failures: 1, Budget: 1, OnFailure: "rollback"}, GoOn},
		{Tally{Failures: 2, Budget: 1, OnFailure: "rollback"}, RollBack},
		{Tally{Failures: 2, Budget: 1, OnFailure: "halt"}, Halt},
		{Tally{Failures: 1, Budget: 9, Wave: 1, WaveFailures: 1, MustPass: true, OnFailure: "rollback"}, RollBack},
		{Tally{Failures: 1, Budget: 9, Wave: 2, WaveFailures: 1, MustPass: true, OnFailure: "rollback"}, GoOn},
	} {
		if got := Decide(c.tally); got != c.want {
			t.Errorf("%+v: %s, want %s", c.tally, got, c.want)
		}
	}
}
