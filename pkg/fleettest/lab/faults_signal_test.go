package lab

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSignals ends rollpin by a signal while it stages and while it activates. The same command, run again, must complete, and begins where the
// next case wants it.
func TestSignals(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 2)
	t.Cleanup(func() { takeHoldsOff(t, nodes) })
	site := l.Site(t, strings.ReplaceAll(faultsConfig, "{name: parallel, bake: 3s, max_failures: $BUDGET, on_failure: rollback}", "{name: serial, bake: 1s}"), nodes)
	site.Run(t, "deploy", "api==1.0.0", "-e", "production").Expect(t, 0)
	for _, c := range []struct {
		signal  syscall.Signal
		version string
		// The signal comes when this node begins this step.
		node   int
		step   string
		status int
		says   string
		truth  string
	}{
		{syscall.SIGINT, "1.1.0", 0, "stage", 130, "not started, no running service was touched, interrupted by SIGINT", "1.0.0 1.0.0"},
		{syscall.SIGTERM, "1.0.0", 1, "restart", 143, "the fleet is mixed, interrupted by SIGTERM", "1.0.0 1.1.0"},
		{syscall.SIGINT, "1.1.0", 0, "health", 130, "1 node touched, all back on what they ran before, interrupted by SIGINT", "1.0.0 1.0.0"},
		{syscall.SIGTERM, "1.7.0", 0, "stage", 143, "not started, no running service was touched, interrupted by SIGTERM", "1.1.0 1.1.0"},
		{syscall.SIGKILL, "1.1.0", 0, "restart", -1, "", "1.1.0 1.7.0"},
		{syscall.SIGKILL, "1.8.0rc1", 0, "stage", -1, "", "1.1.0 1.1.0"},
	} {
		name := c.signal.String() + " in " + c.step
		each(nodes, func(i int, n *Node) {
			if c.step == "restart" && i == c.node {
				hold(t, n, "restart", c.version)
			}
		})
		var sent time.Time
		args := []string{"deploy", "api==" + c.version, "-e", "production", "-v"}
		ended := site.Follow(t, func(line string, p *os.Process) {
			m := stepStarted.FindStringSubmatch(line)
			if m == nil || m[1] != nodes[c.node].Name || m[2] != c.step || !sent.IsZero() {
				return
			}
			switch c.step {
			case "restart":
				awaitHeld(t, nodes[c.node])
			case "stage":
				nodes[c.node].Must(t, "until pgrep -f '[p]ip --python /srv/api/releases/"+c.version+"'; do sleep 0.05; done")
			}
			sent = time.Now()
			if err := p.Signal(c.signal); err != nil {
				t.Error(err)
			}
		}, args...)
		t.Logf("%s: %s after the signal\n%s", name, time.Since(sent).Round(100*time.Millisecond), ended.Text)
		if took := time.Since(sent); took > 7*time.Second {
			t.Errorf("%s: it took %s to come to a safe end", name, took)
		}
		ended.Expect(t, c.status, c.says)
		each(nodes, func(_ int, n *Node) {
			if c.signal != syscall.SIGKILL {
				n.Must(t, "for try in $(seq 20); do pgrep -f '[p]ip --python /srv/api/releases/"+c.version+"' >/dev/null || exit 0; sleep 0.1; done; echo it still installs; exit 1")
			}
			letGo(t, n)
		})
		said := readLastBlock(ended.Out)
		for i, want := range strings.Fields(c.truth) {
			if got := nodes[i].soon("api", want); got != want {
				t.Errorf("%s: %s runs %s, not %s", name, nodes[i].Name, got, want)
			}
			if got := said.runs[nodes[i].Name]; got != want && c.signal != syscall.SIGKILL {
				t.Errorf("%s: the last block says that %s runs %s, not %s", name, nodes[i].Name, got, want)
			}
		}
		again := site.Run(t, args...)
		again.Expect(t, 0)
		ExpectTruth(t, "api", nodes, c.version+" "+c.version)
	}
}
