package rollout

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/restart"
)

const (
	oldID = "1.0.0-aaaaaaaa"
	newID = "1.1.0-bbbbbbbb"
)

// fakeFleet is a fleet in memory. Every step takes a second of virtual time; fail says what goes wrong.
type fakeFleet struct {
	mu    sync.Mutex
	facts map[string]Facts
	// fail returns the error of a step; nil for none. Steps are named as in calls: "switch", "restart", "healthy", ….
	fail func(node, step, id string) error
	// slow is how long a step takes instead of a second.
	slow map[string]time.Duration
	// calls are the steps that reached a node, "web-1 switch 1.1.0".
	calls []string
	// remembered is the release that is kept outside of the nodes.
	remembered string
	// busy and most count the nodes between switch and health, now and at most.
	busy, most int
	// restarted is the release that the service of a node was last started with.
	restarted map[string]string
}

func newFakeFleet(n int, current string) *fakeFleet {
	f := &fakeFleet{facts: map[string]Facts{}, restarted: map[string]string{}, fail: func(string, string, string) error { return nil }}
	for i := range n {
		facts := Facts{Platform: "linux", Service: restart.State{Name: "running"}}
		facts.Records = map[string]release.Record{}
		if current != "" {
			facts.Current, facts.Confirmed = current, current
			facts.Records[current] = release.Record{ID: current, Deployment: "d0", Previous: "0.9.0-99999999"}
			facts.Records["0.9.0-99999999"] = release.Record{ID: "0.9.0-99999999"}
		}
		name := fmt.Sprintf("web-%d", i+1)
		f.facts[name] = facts
		f.restarted[name] = current
	}
	return f
}

func (f *fakeFleet) targets() []inventory.Node {
	var nodes []inventory.Node
	for _, name := range slices.SortedFunc(maps.Keys(f.facts), inventory.CompareNames) {
		nodes = append(nodes, inventory.Node{Name: name, Address: name})
	}
	return nodes
}

func (f *fakeFleet) do(ctx context.Context, node, step, id string, change func(*Facts)) error {
	f.mu.Lock()
	f.calls = append(f.calls, strings.TrimSpace(node+" "+step+" "+release.VersionOf(id)))
	lasts := cmp.Or(f.slow[step], time.Second)
	f.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(lasts):
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail(node, step, id); err != nil {
		return err
	}
	facts := f.facts[node]
	if change != nil {
		change(&facts)
	}
	f.facts[node] = facts
	return nil
}

func (f *fakeFleet) Probe(ctx context.Context, node string) (Facts, error) {
	err := f.do(ctx, node, "probe", "", nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	facts := f.facts[node]
	facts.Records = maps.Clone(facts.Records)
	if err != nil {
		facts = Facts{State: release.State{Current: "rubbish", Confirmed: "rubbish"}} // nobody may use it
	}
	return facts, err
}

func (f *fakeFleet) Same(a, b string) bool { return a == b }

func (f *fakeFleet) Resolve(ctx context.Context, w Wanted, found map[string]Facts) (Release, error) {
	if err := f.fail("", "resolve", ""); err != nil {
		return Release{}, err
	}
	return Release{ID: newID, Version: "1.1.0"}, ctx.Err()
}

func (f *fakeFleet) Remembered(string, map[string]Facts) string { return f.remembered }

func (f *fakeFleet) Stage(ctx context.Context, node string, s StageTask) (Staged, error) {
	id := s.Release
	return Staged{How: "built"}, f.do(ctx, node, "stage", id, func(facts *Facts) {
		facts.Records = maps.Clone(facts.Records)
		if !facts.Has(id) {
			facts.Records[id] = release.Record{ID: id, Staged: "d1"}
		}
	})
}

func (f *fakeFleet) Switch(ctx context.Context, node string, s Switch) error {
	f.mu.Lock()
	f.busy++
	f.most = max(f.most, f.busy)
	f.mu.Unlock()
	return f.do(ctx, node, "switch", s.To, func(facts *Facts) {
		facts.Current, facts.Confirmed = s.To, ""
		if s.Deployment != "" {
			record := facts.Records[s.To]
			record.Deployment = s.Deployment
			if !s.KeepPrevious {
				record.Previous = s.Previous
			}
			facts.Records = maps.Clone(facts.Records)
			facts.Records[s.To] = record
		}
	})
}

func (f *fakeFleet) Restart(ctx context.Context, node string) error {
	f.mu.Lock()
	current := f.facts[node].Current
	f.mu.Unlock()
	return f.do(ctx, node, "restart", current, func(facts *Facts) { f.restarted[node] = current })
}

func (f *fakeFleet) Healthy(ctx context.Context, node, id string) error {
	err := f.do(ctx, node, "healthy", id, nil)
	f.mu.Lock()
	f.busy--
	f.mu.Unlock()
	return err
}

func (f *fakeFleet) Check(ctx context.Context, node, id string) error {
	return f.do(ctx, node, "check", id, nil)
}

func (f *fakeFleet) Confirm(ctx context.Context, node, id string) error {
	return f.do(ctx, node, "confirm", id, func(facts *Facts) { facts.Confirmed = id })
}

func (f *fakeFleet) Withdraw(ctx context.Context, node string) (bool, error) {
	return true, f.do(ctx, node, "withdraw", "", func(facts *Facts) { facts.Current, facts.Confirmed = "", ""; f.restarted[node] = "" })
}

func (f *fakeFleet) Guard(ctx context.Context, node string) error {
	return f.fail(node, "guard", "")
}

func (f *fakeFleet) Settle(ctx context.Context, node string, prune bool) error {
	if !prune {
		return nil
	}
	return f.do(ctx, node, "prune", "", nil)
}

// runs says what the nodes run: "1.1.0 1.0.0 -", a switch without a restart marked by !.
func (f *fakeFleet) runs() string {
	var out []string
	for _, n := range f.targets() {
		current := f.facts[n.Name].Current
		text := release.VersionOf(current)
		if current == "" {
			text = "-"
		}
		if f.restarted[n.Name] != current {
			text += "!"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// touched are the nodes that saw a switch.
func (f *fakeFleet) touched() string {
	var out []string
	for _, call := range f.calls {
		name, rest, _ := strings.Cut(call, " ")
		if strings.HasPrefix(rest, "switch") && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, inventory.CompareNames)
	return strings.Join(out, " ")
}

func deployment(f *fakeFleet, change func(*Deployment)) Deployment {
	d := Deployment{
		ID: "d1", Service: "api", Environment: "production", Version: "1.1.0", Nodes: f.targets(), Parallel: 50,
		Strategy: config.Strategy{Name: "canary", Canary: config.Size{N: 1}, Batch: config.Size{N: 2}, OnFailure: "rollback"},
	}
	if change != nil {
		change(&d)
	}
	return d
}

func unhealthy(node, version string) func(string, string, string) error {
	return func(n, step, id string) error {
		if n == node && step == "healthy" && release.VersionOf(id) == version {
			return &Failure{Class: Unhealthy, Text: "answered 500"}
		}
		return nil
	}
}
