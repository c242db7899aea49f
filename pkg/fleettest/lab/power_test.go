package lab

import (
	"fmt"
	"strings"
	"testing"
)

// TestPowerCut powers a node off in the middle of its activation, and on again: what is not known is not told, the budget counts it, and resume
// makes the fleet whole.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 3)
	t.Cleanup(func() {
		each(nodes, func(_ int, n *Node) {
			n.Heal(t)
			n.Must(t, "systemctl -q disable web")
		})
	})
	site := l.Site(t, changed(t, "{canary: 1, bake: 1s, batch: 50%}", serial), nodes)
	site.Run(t, "deploy", "web==1.0.0", "-e", "production", "--strategy", "parallel").Expect(t, 0)
	lost := nodes[1]
	for _, c := range []struct {
		version, from string
		args          []string
		says, truth   string
	}{
		{"1.1.0", "1.0.0", []string{"--max-failures", "0", "--on-failure", "halt"}, "halt: 1 failed, the budget is 0", "1.1.0 ? 1.0.0"},
		{"1.0.0", "1.1.0", []string{"--max-failures", "1"}, "2 of 3", "1.0.0 ? 1.0.0"},
	} {
		each(nodes, func(_ int, n *Node) {
			stall(t, n, map[bool]string{true: c.version, false: "none"}[n == lost])
			n.Must(t, "systemctl -q enable web")
		})
		running := site.begin(t, append([]string{"deploy", "web==" + c.version, "-e", "production"}, c.args...)...)
		running.await(t, "wave 2 of 3")
		awaitHeld(t, lost)
		if err := lost.Break("kill"); err != nil {
			t.Fatal(err)
		}
		ended := running.end()
		t.Log(ended.Text)
		ended.Expect(t, 4, "the fleet is mixed", c.says, "unreachable "+lost.Name+" at restart", "to go on:   rollpin resume ")
		said := readLastBlock(ended.Out)
		for i, want := range strings.Fields(c.truth) {
			n := nodes[i]
			if n == lost {
				continue
			}
			if got, truth := said.runs[n.Name], n.Truth("web"); got != want || truth != want {
				t.Errorf("%s runs %s, the last block says %s, and it should be %s", n.Name, truth, got, want)
			}
		}
		site.Run(t, "show", "last").Expect(t, 0, lost.Name, "unreachable")
		lost.Heal(t)
		goOn(t, lost) // it boots, and starts what it was switched to
		if got := lost.soon("web", c.version); got != c.version {
			t.Errorf("%s came back with %q", lost.Name, got)
		}
		if got := said.runs[lost.Name]; got != "unknown" && got != c.version {
			t.Errorf("the last block says that %s runs %s", lost.Name, got)
		}
		site.Run(t, "resume", "last").Expect(t, 0, "3 of 3")
		ExpectTruth(t, "web", nodes, fmt.Sprintf("%[1]s %[1]s %[1]s", c.version))
		if got := nodes[0].starts(t); got != 1 {
			t.Errorf("%s was activated %d times", nodes[0].Name, got)
		}
	}
}

// TestStragglers leaves a node out that is off, and takes it along later; and one that was wiped.
func TestStragglers(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 3)
	site := l.Site(t, changed(t, "{canary: 1, bake: 1s, batch: 50%}", serial), nodes)
	site.Run(t, "deploy", "web==1.0.0", "-e", "production", "--strategy", "parallel").Expect(t, 0)
	off := nodes[1]
	if err := off.Break("kill"); err != nil {
		t.Fatal(err)
	}
	site.Run(t, "deploy", "web==1.1.0", "-e", "production").Expect(t, 3, "problem "+off.Name)
	left := site.Run(t, "deploy", "web==1.1.0", "-e", "production", "--skip-unreachable")
	left.Expect(t, 0, off.Name)
	t.Log(left.Text)
	site.Run(t, "converge", "web", "-e", "production").Expect(t, 3, off.Name)
	off.Heal(t)
	site.Run(t, "converge", "web", "-e", "production").Expect(t, 0, "3 of 3", "plan: 1 node")
	ExpectTruth(t, "web", nodes, "1.1.0 1.1.0 1.1.0")

	// What failed is not what nodes are brought to.
	site.Run(t, "deploy", "web==1.2.0", "-e", "production").Expect(t, 1)
	wiped := nodes[2]
	wiped.Must(t, "systemctl stop web; rm -rf /srv/web")
	site.Run(t, "converge", "web", "-e", "production").Expect(t, 0, "3 of 3", "plan: 1 node")
	ExpectTruth(t, "web", nodes, "1.1.0 1.1.0 1.1.0")
}
