package lab

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestTwenty has all nodes of a large lab in one deployment, found by Consul. It is not parallel, for it takes them all.
func TestTwenty(t *testing.T) {
	l := lab(t)
	if len(l.Nodes) < 20 {
		t.Skipf("the lab has %d nodes: scripts/lab up 20", len(l.Nodes))
	}
	nodes := l.Take(t, len(l.Nodes))
	site := l.Site(t, consulConfig("match: node"), nil)
	all := fmt.Sprintf("%[1]d of %[1]d", len(nodes))
	each := func(version string) string { return strings.TrimSpace(strings.Repeat(version+" ", len(nodes))) }
	run := func(status int, texts []string, args ...string) {
		t.Helper()
		before := logIns(t, nodes)
		ended := site.Run(t, append(args, "-e", "production")...)
		ended.Expect(t, status, texts...)
		for i, now := range logIns(t, nodes) {
			if now != before[i]+1 {
				t.Errorf("%v: %d connections to %s, not 1", args, now-before[i], nodes[i].Name)
			}
		}
		t.Logf("%v: %.1f s", args, ended.Took.Seconds())
	}

	run(0, []string{all}, "deploy", "web==1.0.0", "--strategy", "parallel")
	ExpectTruth(t, "web", nodes, each("1.0.0"))
	run(0, []string{all, "wave 4 of 4"}, "deploy", "web==1.1.0", "--strategy", "rolling")
	ExpectTruth(t, "web", nodes, each("1.1.0"))

	runs := invocations(t, nodes)
	run(1, []string{all, "1 node touched", "failed n1 at restart"}, "deploy", "web==1.2.0", "--strategy", "canary")
	ExpectTruth(t, "web", nodes, each("1.1.0"))
	for i, now := range invocations(t, nodes) {
		if touched := now != runs[i]; touched != (i == 0) {
			t.Errorf("%s: restarted: %t", nodes[i].Name, touched)
		}
	}

	run(0, []string{all}, "rollback", "web")
	ExpectTruth(t, "web", nodes, each("1.0.0"))
}

// sshd selects what the SSH server logs. Not by its unit: a log-in moves the process into a scope of its own, and where journald is slow to
// look, the line belongs to that.
const sshd = "-q --no-pager -t sshd -t sshd-session -o cat"

// logIns counts the connections that each sshd has let in since its node booted.
func logIns(t *testing.T, nodes []*Node) []int {
	t.Helper()
	counts := make([]int, len(nodes))
	for i, n := range nodes {
		count, err := strconv.Atoi(n.Must(t, "journalctl "+sshd+" | grep -c ^Accepted || true"))
		if err != nil {
			t.Fatal(err)
		}
		counts[i] = count
	}
	return counts
}

// invocations are the runs of the unit on each node: another one after a restart.
func invocations(t *testing.T, nodes []*Node) []string {
	t.Helper()
	ids := make([]string, len(nodes))
	for i, n := range nodes {
		ids[i] = n.Must(t, "systemctl show -p InvocationID web")
	}
	return ids
}
