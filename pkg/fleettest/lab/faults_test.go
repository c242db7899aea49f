package lab

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fault is one node broken in one way at one moment, and what must be said of it.
type fault struct {
	// kind is one of scripts/lab break; "" leaves the node sound.
	kind string
	// at is the step during which the node breaks: probe (before the start), stage, switch, restart, health, bake.
	at string
	// says is in the line of the last block that names the node; "" for a node that must not be named there.
	says string
	// runs is what the last block says that the node runs: a version, "unknown", or "no release".
	runs string
	// truth is what it runs once it is healed; see Node.Truth.
	truth string
}

// round is one run of rollpin in which nodes break side by side.
type round struct {
	name string
	// site has the configuration; args are rollpin's.
	site *Site
	args []string
	// to is the version that the run activates first, back the one that nodes are put back on during it.
	to string
	// faults are those of the nodes, in their order.
	faults []fault
	status int
	says   []string
	// then is what every node runs after the command that the last block prints.
	then string
}

const faultsConfig = `
discovery: {file: inventory.yaml}
ssh: {user: deploy, become: sudo, config_file: $SSH_CONFIG, connect_timeout: 8s, keepalive: 2s}
services:
  api:
    package: acme-api
    manager: pip
    index: $INDEX
    path: /srv/api
    min_free: 16MiB
    restart: {systemd: api.service}
    health: {http: "http://127.0.0.1:8080/healthz", expect: {version: json:version}, interval: 500ms, passes: 4, timeout: 40s}
    strategy: {name: parallel, bake: 3s, max_failures: $BUDGET, on_failure: rollback}
`

// limit is a long time for a run whose nodes break: three keepalives, three log-ins that time out, and the rest of a deployment on a busy machine.
const limit = 4 * time.Minute

// TestBreaks takes one set of nodes through every phase of a deployment, and breaks some of them in each. Every round ends with the command that
// the last block prints, which must bring all of them to one version: that is where the next round begins.
func TestBreaks(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 7)
	t.Cleanup(func() { takeHoldsOff(t, nodes) })
	strict := l.Site(t, strings.ReplaceAll(faultsConfig, "$BUDGET", "0"), nodes)
	lenient := l.Site(t, strings.ReplaceAll(faultsConfig, "$BUDGET", "100%"), nodes)
	// Two configurations of one machine: a node that was lost keeps its guard until the next deployment with the same lock.
	strict.Env = append(strict.Env, "XDG_STATE_HOME="+filepath.Join(lenient.Dir, "state"))
	deploy := func(version string, more ...string) []string {
		return append([]string{"deploy", "api==" + version, "-e", "production", "-v"}, more...)
	}
	for _, r := range []round{
		{
			name: "preflight", site: strict, args: deploy("1.0.0"), status: 3, then: "",
			says: []string{"not started, no running service was touched", "once mended: rollpin deploy api==1.0.0 -e production"},
			faults: []fault{
				{"cut", "probe", "no answer from", "unknown", "nothing"},
				{"freeze", "probe", "no answer within 8s", "unknown", "nothing"},
				{"kill", "probe", "dial: ", "unknown", "nothing"},
				{"drop", "probe", "no answer from", "unknown", "nothing"},
				{"reject", "probe", "connection refused", "unknown", "nothing"},
				{"disk-full", "probe", "free, 16 MiB are needed", "no release", "nothing"},
				{"read-only", "probe", "not even root may write to /srv: its file system is read-only", "no release", "nothing"},
			},
		},
		{
			name: "stage", site: strict, args: deploy("1.0.0"), status: 3, then: "1.0.0",
			says: []string{"not started, no running service was touched", "once mended: "},
			faults: []fault{
				{"cut", "stage", "connection lost: ", "no release", "nothing"},
				// One after the other is to build for all; the last of them does.
				{"freeze", "stage", "no answer ", "no release", "nothing"},
				{"kill", "stage", ": connect", "no release", "nothing"},
				{"disk-full", "stage", "No space left", "no release", "nothing"},
				{"read-only", "stage", "Read-only file system", "no release", "nothing"},
				{"memory", "stage", "it was killed (status 137)", "no release", "nothing"},
				{"", "", "", "no release", "nothing"},
			},
		},
		{
			name: "activation", site: lenient, args: deploy("1.1.0"), to: "1.1.0", status: 4, then: "1.1.0",
			says: []string{"the fleet is mixed"},
			faults: []fault{
				{"cut", "switch", "at switch: connection lost", "unknown", "1.1.0 active 1.0.0"},
				{"freeze", "restart", "at restart: connection lost", "unknown", "1.1.0"},
				{"kill", "health", "at health: ", "unknown", "1.1.0"},
				{"read-only", "switch", "at restore: cannot write to /srv/api/.rollpin", "1.1.0", "1.1.0"},
				{"drop", "health", "at health: ", "unknown", "1.1.0"},
				{"reboot", "health", "at health: ", "unknown", "1.1.0"},
				{"", "", "", "1.1.0", "1.1.0"},
			},
		},
		{
			name: "rollback", site: lenient, args: []string{"rollback", "api", "-e", "production", "-v"}, to: "1.0.0", status: 4, then: "1.0.0",
			says: []string{"the fleet is mixed"},
			faults: []fault{
				{"kill", "switch", "at switch: connection lost", "unknown", "1.1.0"},
				{"cut", "restart", "at restart: connection lost", "1.0.0", "1.0.0"},
				{"freeze", "health", "at health: ", "1.0.0", "1.0.0"},
				{"reject", "health", "at health: ", "1.0.0", "1.0.0"},
				{"reboot", "restart", "at restart: ", "1.0.0", "1.0.0"},
				{"disk-full", "probe", "", "1.0.0", "1.0.0"}, // the way back from what filled it must be open
				{"", "", "", "1.0.0", "1.0.0"},
			},
		},
		{
			name: "bake", site: lenient, args: deploy("1.1.0", "--batch", "6"), to: "1.1.0", status: 4, then: "1.1.0",
			says: []string{"the fleet is mixed"},
			faults: []fault{
				{"freeze", "switch", "at switch: connection lost", "unknown", "1.1.0 active 1.0.0"},
				{"kill", "restart", "at restart: connection lost", "unknown", "1.1.0"},
				{"cut", "bake", "at bake: ", "unknown", "1.1.0"},
				{"freeze", "bake", "at bake: ", "unknown", "1.1.0"},
				{"kill", "bake", "at bake: ", "unknown", "1.1.0"},
				{"", "", "", "1.1.0", "1.1.0"},
				{"", "", "", "1.1.0", "1.1.0"},
			},
		},
		{
			name: "on the way back", site: strict, args: deploy("1.0.0"), to: "1.1.0", status: 4, then: "1.0.0",
			says: []string{"roll back: 1 failed, the budget is 0"},
			faults: []fault{
				{"cut", "health", "at health: ", "unknown", "1.0.0"},
				{"cut", "restart", "not put back", "1.1.0", "1.1.0"},
				{"freeze", "restart", "not put back", "1.1.0", "1.1.0"},
				{"kill", "switch", "not put back", "unknown", "1.0.0"},
				{"read-only", "switch", "", "1.1.0", "1.1.0"},
				{"", "", "", "1.1.0", "1.1.0"},
				{"", "", "", "1.1.0", "1.1.0"},
			},
		},
	} {
		reached := false
		t.Run(r.name, func(t *testing.T) { reached = r.run(t, nodes) })
		if !reached {
			return // the next round would begin elsewhere
		}
	}
}

// run plays the round, and tells whether the nodes run what the next one begins with.
func (r round) run(t *testing.T, nodes []*Node) bool {
	b := &breaker{t: t, round: r, nodes: nodes, done: map[int]bool{}}
	each(nodes, func(i int, n *Node) {
		switch f := r.faults[i]; f.at {
		case "probe":
			b.breakNow(i)
		case "switch", "restart":
			hold(t, n, f.at, r.to)
		}
		if r.to != "" {
			n.Must(t, "systemctl -q enable api") // a machine that boots starts its services
		}
	})
	ended := r.site.Follow(t, b.line, r.args...)
	b.group.Wait()
	t.Logf("%s, exit %d\n%s", ended.Took.Round(time.Second), ended.Status, ended.Text)
	if ended.Took > limit {
		t.Errorf("it took %s", ended.Took)
	}
	ended.Expect(t, r.status, r.says...)
	said := readLastBlock(ended.Out)
	for i, n := range nodes {
		f := r.faults[i]
		if got := said.runs[n.Name]; got != f.runs {
			t.Errorf("%s (%s at %s): the last block says that it runs %q, not %q", n.Name, f.kind, f.at, got, f.runs)
		}
		if got := said.named[n.Name]; !strings.Contains(got, f.says) || f.says == "" && got != "" {
			t.Errorf("%s (%s at %s): the last block says %q, not %q", n.Name, f.kind, f.at, got, f.says)
		}
	}
	each(nodes, func(i int, n *Node) {
		n.Heal(t)
		n.Must(t, "rm -f /var/fill")
		letGo(t, n)
		if got := n.soon("api", r.faults[i].truth); got != r.faults[i].truth {
			t.Errorf("%s (%s at %s): it runs %q, not %q", n.Name, r.faults[i].kind, r.faults[i].at, got, r.faults[i].truth)
		}
	})
	if r.then == "" {
		return true
	}
	again := r.site.Run(t, said.next...)
	if again.Status != 0 {
		t.Errorf("%v: exit %d\n%s", said.next, again.Status, again.Text)
	}
	if got, want := Truths("api", nodes), strings.TrimSpace(strings.Repeat(r.then+" ", len(nodes))); got != want {
		t.Errorf("after %v the nodes run %s", said.next, got)
		return false
	}
	return true
}
