package lab

import (
	"syscall"
	"testing"
	"time"
)

// TestGroupSignals ends a deployment as CI systems and people do: by SIGTERM to all processes of a step, and by two SIGINTs. The lock is free at
// once, and another machine goes on.
func TestGroupSignals(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 2)
	site := l.shared(t, "signals", serial, nodes)
	other := site.elsewhere(t, "build-2")
	site.Group = true
	site.Run(t, "deploy", "web==1.0.0", "-e", "signals", "--strategy", "parallel").Expect(t, 0)
	for _, c := range []struct {
		version string
		// signals are sent when this node is held in its restart.
		node    int
		signals []syscall.Signal
		status  int
		limit   time.Duration
		says    []string
		truth   string
	}{
		{"1.1.0", 0, []syscall.Signal{syscall.SIGTERM}, 143, 5 * time.Second, []string{"all back on what they ran before, interrupted by SIGTERM"}, "1.0.0 1.0.0"},
		{"1.0.0", 1, []syscall.Signal{syscall.SIGTERM}, 143, 5 * time.Second, []string{"the fleet is mixed, interrupted by SIGTERM", "to go on:"}, "1.0.0 1.1.0"},
		{"1.1.0", 1, []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 130, 2 * time.Second, []string{"the fleet is mixed, interrupted by SIGINT", "to go on:"}, ""},
	} {
		each(nodes, func(i int, n *Node) { stall(t, n, map[bool]string{true: c.version, false: "none"}[i == c.node]) })
		running := site.begin(t, "deploy", "web=="+c.version, "-e", "signals")
		running.await(t, "wave "+[]string{"1", "2"}[c.node]+" of 2")
		awaitHeld(t, nodes[c.node])
		began := time.Now()
		for i, signal := range c.signals {
			if i > 0 {
				running.await(t, "interrupted")
			}
			if err := syscall.Kill(-running.process.Pid, signal); err != nil {
				t.Fatal(err)
			}
		}
		ended := running.end()
		within(t, "the end after "+c.signals[0].String(), began, c.limit)
		t.Log(ended.Text)
		ended.Expect(t, c.status, c.says...)
		if c.truth != "" {
			ExpectTruth(t, "web", nodes, c.truth)
		}
		each(nodes, func(_ int, n *Node) { goOn(t, n) })
		other.Run(t, "resume", "last", "-e", "signals").Expect(t, 0, "2 of 2")
		ExpectTruth(t, "web", nodes, c.version+" "+c.version)
	}
}
