package lab

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// moment is when a deployment is killed: some time after a node, or any node, began a step.
type moment struct {
	step  string
	node  int
	after time.Duration
}

// TestKills kills deployments at twenty moments, which the seed in its log tells: ROLLPIN_TEST_SEED plays them again. Each one is gone on with, or
// rolled back, and no node is activated once more unless the kill came in the middle of it.
func TestKills(t *testing.T) {
	t.Parallel()
	l := lab(t)
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("ROLLPIN_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for lane := range 2 {
		t.Run(fmt.Sprintf("lane %d", lane+1), func(t *testing.T) {
			t.Parallel()
			t.Logf("ROLLPIN_TEST_SEED=%d", seed)
			nodes := l.Take(t, 3)
			k := &killer{t: t, nodes: nodes, random: rand.New(rand.NewPCG(seed, uint64(lane))), lane: lane,
				site: l.Site(t, changed(t, "{canary: 1, bake: 1s, batch: 50%}", "{canary: 1, bake: 600ms, batch: 2}"), nodes)}
			k.deploy("1.7.0")
			k.deploy("1.1.0")
			k.deploy("1.0.0")
			countStarts(t, nodes)
			for rounds := 0; k.kills < 10; rounds++ {
				if rounds > 20 {
					t.Fatalf("only %d of %d deployments could be killed before they ended", k.kills, rounds)
				}
				k.round()
			}
		})
	}
}

type killer struct {
	t           *testing.T
	site        *Site
	nodes       []*Node
	random      *rand.Rand
	lane, kills int
}

func (k *killer) deploy(version string, more ...string) {
	k.t.Helper()
	k.site.Run(k.t, append([]string{"deploy", "web==" + version, "-e", "production", "--strategy", "parallel"}, more...)...).Expect(k.t, 0)
}

// round kills one deployment, and sees what it leaves to a good end.
func (k *killer) round() {
	t := k.t
	t.Helper()
	steps := []string{"stage", "switch", "restart", "health", "bake"}
	at := moment{steps[(k.kills+k.kills/5+2*k.lane)%5], k.random.IntN(3), time.Duration(k.random.IntN(500)) * time.Millisecond}
	back := k.kills%5 == 4 && at.step != "stage"
	version := map[bool]string{true: "1.1.0", false: "1.0.0"}[k.nodes[0].Truth("web") == "1.0.0"]
	if back { // so that they do not come from one and the same
		k.deploy("1.7.0", "--limit", k.nodes[2].Name)
	}
	was := Truths("web", k.nodes)
	each(k.nodes, func(_ int, n *Node) { n.Must(t, "rm -f /srv/starts") })
	killed := k.kill(at, version)
	name := fmt.Sprintf("kill %d, %s after %s of %s on the way to %s", k.kills+1, at.after, at.step, k.nodes[at.node].Name, version)
	if killed.Status == 0 {
		t.Logf("%s: it had ended before", name)
		ExpectTruth(t, "web", k.nodes, version+" "+version+" "+version)
		return
	}
	k.kills++
	k.truly(name, was)
	began := time.Now()
	if back {
		k.site.Run(t, "rollback", "web", "-e", "production").Expect(t, 0)
		if got := Truths("web", k.nodes); got != was {
			t.Fatalf("%s: after rollback the nodes run %s, not %s", name, got, was)
		}
		within(t, name+", rollback", began, time.Minute)
		k.deploy(version)
		return
	}
	k.site.Run(t, "resume", "last").Expect(t, 0)
	if got, want := Truths("web", k.nodes), version+" "+version+" "+version; got != want {
		t.Fatalf("%s: after resume the nodes run %s, not %s", name, got, want)
	}
	within(t, name+", resume", began, time.Minute)
	for i, n := range k.nodes {
		most := 1
		if halfWay(killed.Events, n.Name) {
			most = 2
		}
		if got := n.starts(t); got < 1 || got > most {
			t.Errorf("%s: node %d was activated %d times, not at most %d\n%s", name, i+1, got, most, killed.Text)
		}
	}
}

// kill deploys the version until the moment.
func (k *killer) kill(at moment, version string) Ended {
	done := false
	return k.site.Watch(k.t, func(e Event, p *os.Process) {
		begins := e.Kind == "step-started" && e.Step == at.step && e.Node == k.nodes[at.node].Name || e.Kind == "bake-started" && at.step == "bake"
		if !begins || done {
			return
		}
		done = true
		time.Sleep(at.after)
		if err := p.Kill(); err != nil {
			k.t.Error(err)
		}
	}, "deploy", "web=="+version, "-e", "production")
}

// halfWay tells whether a deployment began to activate a node and did not end that.
func halfWay(events []Event, node string) bool {
	half := false
	for _, e := range events {
		switch {
		case e.Node != node:
		case e.Kind == "step-started" && e.Step == "switch":
			half = true
		case e.Kind == "step-finished" && e.Step == "confirm":
			half = false
		}
	}
	return half
}

var fate = regexp.MustCompile(`(?m)^  (n\d+) \(\w+\)  (?:\S+ -> )?(\S+): (.*)$`)

// truly fails the test if show tells anything of a node that is not so.
func (k *killer) truly(name, was string) {
	t := k.t
	t.Helper()
	shown := k.site.Run(t, "show", "last")
	shown.Expect(t, 0, "unfinished", "to go on:   rollpin resume")
	truths := make([]string, len(k.nodes))
	each(k.nodes, func(i int, n *Node) { truths[i] = n.Truth("web") })
	to, fates := map[string]string{}, map[string]string{}
	for _, found := range fate.FindAllStringSubmatch(shown.Out, -1) {
		to[found[1]], fates[found[1]] = found[2], found[3]
	}
	lied := func(format string, args ...any) {
		t.Fatalf("%s: %s\n%s", name, fmt.Sprintf(format, args...), shown.Text)
	}
	for i, n := range k.nodes {
		said, truth, before := fates[n.Name], truths[i], strings.Fields(was)[i]
		_, runs, found := strings.Cut(said, "runs ")
		switch {
		case said == "":
			lied("nothing is said of %s", n.Name)
		case said == "not touched" && truth != before:
			lied("%s is said to be untouched, ran %s and runs %s", n.Name, before, truth)
		case said == "healthy" && truth != to[n.Name], found && truth != runs:
			lied("%s is said to be %q, and runs %q", n.Name, said, truth)
		}
	}
}
