package lab

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestStrategies looks at when units really started. A unit here takes three seconds to start, so that nodes of one wave overlap.
func TestStrategies(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 5)
	site := l.Site(t, DefaultConfig+"strategies:\n  careful: {canary: 2, batch: 60%, bake: 2s}\n", nodes)
	for _, n := range nodes {
		n.dropIn(t, "web", "ExecStartPre=/bin/sleep 3")
	}
	deploy := func(version string, args ...string) Ended {
		return site.Run(t, append([]string{"deploy", "web==" + version, "-e", "production"}, args...)...)
	}

	before := photograph(t, nodes)
	deploy("1.0.0", "--dry-run").Expect(t, 0, "plan: 5 nodes in 3 waves", "dry run, nothing was changed")
	expectSame(t, nodes, before)

	deploy("1.0.0", "--strategy", "parallel").Expect(t, 0, "5 of 5")
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0 1.0.0 1.0.0 1.0.0")
	expectWaves(t, nodes, 0, 5)

	before = photograph(t, nodes)
	deploy("1.1.0", "--strategy", "serial", "--dry-run").Expect(t, 0, "plan: 5 nodes in 5 waves", "to do it:")
	expectSame(t, nodes, before)

	deploy("1.1.0", "--strategy", "serial").Expect(t, 0, "5 of 5")
	ExpectTruth(t, "web", nodes, "1.1.0 1.1.0 1.1.0 1.1.0 1.1.0")
	expectWaves(t, nodes, 0, 1, 1, 1, 1, 1)

	deploy("1.0.0", "--strategy", "rolling").Expect(t, 0, "5 of 5")
	expectWaves(t, nodes, 0, 2, 2, 1)

	deploy("1.1.0", "--strategy", "canary", "--bake", "1s").Expect(t, 0, "5 of 5")
	expectWaves(t, nodes, time.Second, 1, 2, 2)

	deploy("1.0.0", "--strategy", "careful").Expect(t, 0, "5 of 5")
	expectWaves(t, nodes, 2*time.Second, 2, 3)
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0 1.0.0 1.0.0 1.0.0")
}

// TestBudgetAndHalt has one node whose unit refuses one version.
func TestBudgetAndHalt(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 4)
	site := l.Site(t, DefaultConfig, nodes)
	named(t, site, nodes, "blue-1 z1", "blue-2 z2", "green-1 z1", "green-2 z3")
	deploy := func(version string, args ...string) Ended {
		return site.Run(t, append([]string{"deploy", "web==" + version, "-e", "production", "--strategy", "serial"}, args...)...)
	}
	site.Run(t, "deploy", "web==1.0.0", "-e", "production", "--strategy", "parallel").Expect(t, 0)

	// One failure inside the budget: the others go on, and it is no success.
	nodes[1].refuse(t, "web", "1.1.0")
	deploy("1.1.0", "--max-failures", "25%", "--exclude", "green-*").Expect(t, 1, "the budget is 0", "2 of 2")
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0 1.0.0 1.0.0")
	deploy("1.1.0", "--max-failures", "25%").Expect(t, 4, "failed blue-2 at restart", "put back on 1.0.0", "3 of 4", "1 of 4", "to go on:")
	ExpectTruth(t, "web", nodes, "1.1.0 1.0.0 1.1.0 1.1.0")

	// Back: only the nodes that it took along.
	site.Run(t, "rollback", "web", "-e", "production").Expect(t, 0, "plan: 3 nodes", "4 of 4")
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0 1.0.0 1.0.0")

	// Halt leaves all as it is; both commands that it prints do what they say.
	halted := deploy("1.1.0", "--on-failure", "halt")
	halted.Expect(t, 4, "failed blue-2 at restart", "left as it is")
	ExpectTruth(t, "web", nodes, "1.1.0 1.1.0 failed silent 1.0.0 1.0.0")
	site.Run(t, "status", "web", "-e", "production").Expect(t, 4, "mixed, 2 releases", "blue-2")
	site.Run(t, halted.command(t, "to go back:")...).Expect(t, 0)
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0 1.0.0 1.0.0")

	halted = deploy("1.1.0", "--on-failure", "halt")
	halted.Expect(t, 4)
	nodes[1].dropIn(t, "web", "")
	site.Run(t, halted.command(t, "to go on:")...).Expect(t, 0, "4 of 4")
	ExpectTruth(t, "web", nodes, "1.1.0 1.1.0 1.1.0 1.1.0")
}

// TestMainJob is the product in one test, with pip: deploy, upgrade a part, fail on health, each node back on what it ran itself.
func TestMainJob(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 3)
	site := l.Site(t, DefaultConfig, nodes)
	named(t, site, nodes, "api-1 z1", "api-2 z2", "api-3 z2")
	site.Run(t, "deploy", "api==1.0.0", "-e", "production").Expect(t, 0, "wave 1 of 2: canary", "3 of 3")
	ExpectTruth(t, "api", nodes, "1.0.0 1.0.0 1.0.0")
	site.Run(t, "deploy", "api==1.1.0", "-e", "production", "--limit", "zone=z1").Expect(t, 0, "1 of 1")
	ExpectTruth(t, "api", nodes, "1.1.0 1.0.0 1.0.0")

	site.Run(t, "deploy", "api==1.3.0", "-e", "production", "--canary", "2").Expect(t, 1, "2 nodes touched", "500", "once mended:")
	ExpectTruth(t, "api", nodes, "1.1.0 1.0.0 1.0.0")
	site.Run(t, "deploy", "api==1.7.0", "-e", "production", "--strategy", "parallel").Expect(t, 0, "3 of 3")
	ExpectTruth(t, "api", nodes, "1.7.0 1.7.0 1.7.0")
	site.Run(t, "rollback", "api", "-e", "production").Expect(t, 0)
	ExpectTruth(t, "api", nodes, "1.1.0 1.0.0 1.0.0")
}

// named writes the site's inventory anew: each node with the "NAME ZONE" of the test's choice.
func named(t *testing.T, s *Site, nodes []*Node, names ...string) {
	t.Helper()
	text := "nodes:\n"
	for i, n := range nodes {
		name, zone, _ := strings.Cut(names[i], " ")
		text += fmt.Sprintf("  - {name: %s, address: %s, roles: [api, web], environment: production, zone: %s}\n", name, n.Address, zone)
	}
	write(t, s.Dir, "inventory.yaml", text)
}

// dropIn puts a line into the [Service] section of a unit; the next one takes its place.
func (n *Node) dropIn(t *testing.T, service, line string) {
	t.Helper()
	n.Must(t, fmt.Sprintf(`cd /etc/systemd/system && mkdir -p %[1]s.service.d && cat > %[1]s.service.d/test.conf <<'UNIT'
[Service]
%[2]s
UNIT
		systemctl daemon-reload`, service, line))
}

// refuse makes a unit fail at every start on one version, and on no other.
func (n *Node) refuse(t *testing.T, service, version string) {
	t.Helper()
	n.dropIn(t, service, fmt.Sprintf(`ExecStartPre=/bin/sh -c '! readlink /srv/%s/current | grep -qF /%s-'`, service, version))
}

// command is the command that a line of the last block names, without the name of the binary.
func (e Ended) command(t *testing.T, label string) []string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(label) + ` +rollpin (.*)$`).FindStringSubmatch(e.Out)
	if found == nil {
		t.Fatalf("no command after %q:\n%s", label, e.Text)
	}
	return strings.Fields(found[1])
}

// photo is what a dry run must leave as it is, a line for each thing: every file of a node but for caches and logs, and the run of its unit.
type photo map[string]bool

func photograph(t *testing.T, nodes []*Node) []photo {
	t.Helper()
	var all []photo
	for _, n := range nodes {
		lines := photo{}
		// npm's cache is npm's own; a node that no test has used npm on has none yet.
		for line := range strings.Lines(n.Must(t, `
			mkdir -p /root/.npm/_cacache
			find / -xdev \( -path /run -o -path /var/log -o -path /var/lib/consul -o -path /var/lib/systemd -o -path /root/.npm/_cacache \) -prune \
				-o ! -path /tmp -printf '%p %m %s %T@\n'
			systemctl show -p InvocationID -p NRestarts -p ActiveState web`)) {
			lines[line] = true
		}
		all = append(all, lines)
	}
	return all
}

func expectSame(t *testing.T, nodes []*Node, before []photo) {
	t.Helper()
	for i, after := range photograph(t, nodes) {
		for line := range after {
			if !before[i][line] {
				t.Errorf("%s has now: %s", nodes[i].Name, line)
			}
		}
		for line := range before[i] {
			if !after[line] {
				t.Errorf("%s had before: %s", nodes[i].Name, line)
			}
		}
	}
}

// expectWaves fails the test unless the units last started in waves of these sizes: all of a wave at the same time, and none before those of
// the wave before have run for so long. Times are systemd's own, on the one clock of this machine.
func expectWaves(t *testing.T, nodes []*Node, pause time.Duration, sizes ...int) {
	t.Helper()
	var ended time.Duration
	left := nodes
	for wave, size := range sizes {
		var latest, earliest, last time.Duration
		for i, n := range left[:size] {
			begins, ends := n.started(t, "web")
			if begins < ended+pause {
				t.Errorf("%s of wave %d began to start %s after the wave before, less than %s", n.Name, wave+1, begins-ended, pause)
			}
			latest, last = max(latest, begins), max(last, ends)
			if earliest = min(earliest, ends); i == 0 {
				earliest = ends
			}
		}
		if latest > earliest {
			t.Errorf("the nodes of wave %d did not start together: one began %s after another had started", wave+1, latest-earliest)
		}
		ended, left = last, left[size:]
	}
	if len(left) > 0 {
		t.Errorf("%d nodes are in no wave", len(left))
	}
}

// started is when a unit last began to start and when it was started, since this machine booted.
func (n *Node) started(t *testing.T, unit string) (begins, ends time.Duration) {
	t.Helper()
	facts := map[string]time.Duration{}
	for line := range strings.Lines(n.Must(t, "systemctl show -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic "+unit)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		microseconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		facts[key] = time.Duration(microseconds) * time.Microsecond
	}
	return facts["InactiveExitTimestampMonotonic"], facts["ActiveEnterTimestampMonotonic"]
}
