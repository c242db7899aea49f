package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/quick"

	"github.com/rollpin/rollpin/pkg/config"
)

func fleet(n int, done ...string) []Node {
	var nodes []Node
	for i := range n {
		name := fmt.Sprintf("web-%d", i+1)
		nodes = append(nodes, Node{Name: name, From: "1.0.0-aaaaaaaa", To: "1.1.0-bbbbbbbb", Done: slices.Contains(done, name)})
	}
	return nodes
}

func shape(p Plan) string {
	var out []string
	for _, w := range p.Waves {
		var names []string
		for _, s := range w.Steps {
			names = append(names, strings.TrimPrefix(s.Node, "web-"))
		}
		out = append(out, w.Name+":"+strings.Join(names, ","))
	}
	return strings.Join(out, " ")
}

func TestWaves(t *testing.T) {
	count := func(n int) config.Size { return config.Size{N: n} }
	percent := func(n int) config.Size { return config.Size{N: n, Percent: true} }
	for _, c := range []struct {
		name     string
		nodes    []Node
		strategy config.Strategy
		want     string
	}{
		{"serial", fleet(3), config.Strategy{Batch: count(1)}, "batch 1:1 batch 2:2 batch 3:3"},
		{"canary then quarters", fleet(10), config.Strategy{Canary: count(1), Batch: percent(25)},
			"canary:1 batch 1:2,3,4 batch 2:5,6,7 batch 3:8,9,10"},
		{"a percent is at least one node", fleet(3), config.Strategy{Batch: percent(1)}, "batch 1:1 batch 2:2 batch 3:3"},
		{"parallel", fleet(3), config.Strategy{Batch: percent(100)}, "batch 1:1,2,3"},
		{"a batch larger than the fleet", fleet(2), config.Strategy{Batch: count(50)}, "batch 1:1,2"},
		{"a canary larger than the fleet", fleet(2), config.Strategy{Canary: count(9), Batch: count(1)}, "canary:1,2"},
		{"done nodes take no step, and the canary is one that does", fleet(4, "web-1", "web-3"),
			config.Strategy{Canary: count(1), Batch: count(5)}, "canary:2 batch 1:4"},
		{"nothing to do", fleet(2, "web-1", "web-2"), config.Strategy{Canary: count(1), Batch: count(1)}, ""},
		{"natural order", []Node{{Name: "web-10"}, {Name: "web-9"}}, config.Strategy{Batch: count(1)}, "batch 1:9 batch 2:10"},
	} {
		if got := shape(Make(Request{Nodes: c.nodes, Strategy: c.strategy})); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestBudgetRoundsDown(t *testing.T) {
	for _, c := range []struct{ percent, nodes, want int }{{10, 5, 0}, {10, 10, 1}, {10, 19, 1}, {100, 7, 7}} {
		p := Make(Request{Nodes: fleet(c.nodes), Strategy: config.Strategy{MaxFailures: config.Size{N: c.percent, Percent: true}}})
		if p.MaxFailures != c.want {
			t.Errorf("%d%% of %d nodes: a budget of %d, want %d", c.percent, c.nodes, p.MaxFailures, c.want)
		}
	}
}

func TestDigestTellsPlansApart(t *testing.T) {
	one := Make(Request{Service: "api", Nodes: fleet(3), Strategy: config.Strategy{Batch: config.Size{N: 1}}})
	reordered := fleet(3)
	slices.Reverse(reordered)
	same := Make(Request{Service: "api", Nodes: reordered, Strategy: config.Strategy{Batch: config.Size{N: 1}}})
	other := Make(Request{Service: "api", Nodes: fleet(3), Strategy: config.Strategy{Batch: config.Size{N: 2}}})
	if one.Digest != same.Digest {
		t.Error("the order in which discovery names nodes changed the plan")
	}
	if one.Digest == other.Digest {
		t.Error("another batch size has the same digest")
	}
}

func TestEveryNodeIsPlannedOnce(t *testing.T) {
	check := func(nodes uint8, canary, batch uint8, percent bool) bool {
		p := Make(Request{Nodes: fleet(int(nodes)), Strategy: config.Strategy{
			Canary: config.Size{N: int(canary)}, Batch: config.Size{N: int(batch) % 101, Percent: percent}}})
		seen := map[string]bool{}
		for _, s := range p.Steps() {
			if seen[s.Node] {
				return false
			}
			seen[s.Node] = true
		}
		return len(seen) == int(nodes)
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func TestRollbackHasNoCanaryAndIsNotHeldByOneDeadNode(t *testing.T) {
	p := Make(Request{Rollback: true, Nodes: fleet(8), Strategy: config.Strategy{
		Canary: config.Size{N: 1}, Batch: config.Size{N: 25, Percent: true}, OnFailure: "rollback", Bake: 30e9}})
	if got, want := shape(p), "batch 1:1,2 batch 2:3,4 batch 3:5,6 batch 4:7,8"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if p.MaxFailures != 8 || p.OnFailure != "halt" || p.Bake != 0 {
		t.Errorf("budget %d, on failure %s, bake %s", p.MaxFailures, p.OnFailure, p.Bake)
	}
	if !p.Waves[0].MustPass || p.Waves[1].MustPass {
		t.Error("only the first wave must pass as a whole")
	}
}
