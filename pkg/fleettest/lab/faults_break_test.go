package lab

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// breaker breaks the nodes of a round, each at its moment.
type breaker struct {
	t *testing.T
	round
	nodes []*Node
	group sync.WaitGroup
	mu    sync.Mutex // guards done
	done  map[int]bool
}

var stepStarted = regexp.MustCompile(`^\S+ +(n\d+) +(\S+) …$`)

// line takes a line of progress. What breaks at bake breaks when the bake begins.
func (b *breaker) line(line string, _ *os.Process) {
	started := stepStarted.FindStringSubmatch(line)
	baking := strings.Contains(line, "must stay healthy")
	for i, n := range b.nodes {
		f := b.faults[i]
		begins := started != nil && started[1] == n.Name && started[2] == f.at
		switch {
		case f.at == "bake" && baking, begins && (f.at == "stage" || f.at == "health"):
			b.group.Go(func() { b.breakNow(i) })
		case begins && (f.at == "switch" || f.at == "restart"):
			b.group.Go(func() {
				awaitHeld(b.t, n)
				b.breakNow(i)
				if f.kind == "read-only" || f.kind == "disk-full" {
					letGo(b.t, n)
				}
			})
		}
	}
}

func (b *breaker) breakNow(i int) {
	b.mu.Lock()
	done := b.done[i]
	b.done[i] = true
	b.mu.Unlock()
	if done || b.faults[i].kind == "" {
		return
	}
	n := b.nodes[i]
	if err := n.Break(b.faults[i].kind); err != nil {
		b.t.Errorf("%s: %v", n.Name, err)
	}
	if b.faults[i].kind == "disk-full" {
		n.Must(b.t, "dd if=/dev/zero of=/var/fill bs=4k 2>/dev/null")
	}
}

// lastBlock is what the last block says of each node, and the command that it prints.
type lastBlock struct {
	runs, named map[string]string
	next        []string
}

var (
	versionLine = regexp.MustCompile(`^  (unknown|no release|(\S+)-[0-9a-f]{8}) +\d+ of \d+  (.*)$`)
	namedLine   = regexp.MustCompile(`^(problem|unreachable|failed|unhealthy|not put back)((?: n\d+)+)(?:$|: | at )`)
	nextLine    = regexp.MustCompile(`^(?:once mended|to go on): +rollpin (.*)$`)
)

func readLastBlock(text string) lastBlock {
	b := lastBlock{runs: map[string]string{}, named: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := versionLine.FindStringSubmatch(line); m != nil {
			for _, n := range strings.Fields(m[3]) {
				b.runs[n] = m[1]
				if m[2] != "" {
					b.runs[n] = m[2]
				}
			}
		} else if m := namedLine.FindStringSubmatch(line); m != nil {
			for _, n := range strings.Fields(m[2]) {
				b.named[n] += line + "\n"
			}
		} else if m := nextLine.FindStringSubmatch(line); m != nil {
			b.next = strings.Fields(m[1])
		}
	}
	return b
}

func each(nodes []*Node, do func(int, *Node)) {
	var group sync.WaitGroup
	for i, n := range nodes {
		group.Go(func() { do(i, n) })
	}
	group.Wait()
}

// soon is Truth, for a node that may need some time until it is as wanted: it boots, or something that was held up goes on.
func (n *Node) soon(service, want string) string {
	for deadline := time.Now().Add(30 * time.Second); ; {
		if got := n.Truth(service); got == want || time.Now().After(deadline) {
			return got
		}
	}
}

// hold makes the node stop in the middle of a step of the service api, until it is let go: of switch, before the link changes, or of restart,
// before the new process starts. It holds only on the way to this version.
func hold(t *testing.T, n *Node, step, version string) {
	// Each is a program that learns where the way goes, waits if that is the version, and then does what it stands for.
	program, there, then := "/usr/local/bin/ln", "$*", `exec /bin/ln "$@"`
	if step == "restart" {
		program, there, then = "/usr/local/bin/hold", "$(readlink /srv/api/current)", "exit 0"
		n.Must(t, `mkdir -p /etc/systemd/system/api.service.d
			printf '[Service]\nExecStartPre=/usr/local/bin/hold\n' > /etc/systemd/system/api.service.d/hold.conf
			systemctl daemon-reload`)
	}
	n.Must(t, fmt.Sprintf(`rm -f /run/held /run/go
		cat > %s <<'EOF'
#!/bin/sh
case "%s" in *%s*) : > /run/held; while [ ! -e /run/go ]; do sleep 0.1; done ;; esac
%s
EOF
		chmod +x %s`, program, there, version, then, program))
}

func awaitHeld(t *testing.T, n *Node) {
	n.Must(t, "for _ in $(seq 2400); do [ ! -e /run/held ] || exit 0; sleep 0.05; done; echo it did not stop; exit 1")
}

// letGo ends the hold, for good.
func letGo(t *testing.T, n *Node) {
	n.Must(t, ": > /run/go; rm -f /usr/local/bin/ln; [ ! -e /usr/local/bin/hold ] || printf '#!/bin/sh\\n' > /usr/local/bin/hold")
}

// takeHoldsOff leaves the nodes as they were.
func takeHoldsOff(t *testing.T, nodes []*Node) {
	each(nodes, func(_ int, n *Node) {
		n.Heal(t)
		letGo(t, n)
		n.Must(t, "rm -rf /var/fill /usr/local/bin/hold /etc/systemd/system/api.service.d /run/go /run/held; systemctl -q disable api")
	})
}
