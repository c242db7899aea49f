package lab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serial takes one node after the other, with a short bake between them.
const serial = "{name: serial, bake: 500ms}"

// shared makes a site whose nodes are in an environment of their own, and whose lock and record are in Consul. The environment is the
// test's: its end removes what Consul has of it.
func (l *Lab) shared(t *testing.T, environment, strategy string, nodes []*Node) *Site {
	t.Helper()
	needACL(t, l)
	t.Cleanup(func() {
		if _, err := l.consulAPI(http.MethodDelete, "kv/rollpin/"+environment+"/?recurse", ""); err != nil {
			t.Errorf("removing what Consul has of %s: %v", environment, err)
		}
	})
	site := l.Site(t, changed(t, "inventory.yaml}", "inventory.yaml}\nlock: consul", "{canary: 1, bake: 1s, batch: 50%}", strategy), nodes)
	path := filepath.Join(site.Dir, "inventory.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, site.Dir, "inventory.yaml", strings.ReplaceAll(string(text), "production", environment))
	return site
}

// elsewhere is the same site on another machine: with another name, and nothing in its state directory, cache or working directory but the
// configuration.
func (s *Site) elsewhere(t *testing.T, host string) *Site {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"rollpin.yaml", "inventory.yaml"} {
		text, err := os.ReadFile(filepath.Join(s.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(text))
	}
	other := &Site{Dir: dir, Host: host, lab: s.lab}
	for _, variable := range s.Env {
		other.Env = append(other.Env, strings.ReplaceAll(variable, s.Dir, dir))
	}
	return other
}

// background is a run of the binary beside which the test does other things.
type background struct {
	process *os.Process
	lines   chan progress
	ended   chan Ended
}

type progress struct {
	line    string
	process *os.Process
}

// begin starts the binary with -v and returns at once. It does not outlive the test.
func (s *Site) begin(t *testing.T, args ...string) *background {
	b := &background{lines: make(chan progress, 10000), ended: make(chan Ended, 1)}
	t.Cleanup(func() {
		if b.process != nil {
			_ = b.process.Kill()
		}
		for p := range b.lines {
			_ = p.process.Kill()
		}
	})
	go func() {
		defer close(b.lines)
		b.ended <- s.Follow(t, func(line string, p *os.Process) { b.lines <- progress{line, p} }, append(args, "-v")...)
	}()
	return b
}

// await waits for a line of progress that has the text.
func (b *background) await(t *testing.T, text string) {
	t.Helper()
	for p := range b.lines {
		b.process = p.process
		if strings.Contains(p.line, text) {
			return
		}
	}
	t.Fatalf("it ended before %q:\n%s", text, (<-b.ended).Text)
}

// end waits for the end.
func (b *background) end() Ended {
	for range b.lines {
	}
	return <-b.ended
}

// stall makes web hang when it starts on the way to this version, until goOn; every start of it is counted from now on, see starts.
func stall(t *testing.T, n *Node, version string) {
	t.Helper()
	n.Must(t, "rm -f /run/held /run/go /srv/starts")
	n.dropIn(t, "web", fmt.Sprintf(`ExecStartPre=/bin/sh -c 'readlink /srv/web/current >> /srv/starts; true'
ExecStartPre=/bin/sh -c 'if readlink /srv/web/current | grep -qF /%s-; then : > /run/held; while [ ! -e /run/go ]; do sleep 0.1; done; fi'`, version))
}

func goOn(t *testing.T, n *Node) { n.Must(t, ": > /run/go") }

// countStarts counts every start of web from now on, see starts.
func countStarts(t *testing.T, nodes []*Node) {
	each(nodes, func(_ int, n *Node) { stall(t, n, "none") })
}

// starts is how often web began to start since the last countStarts or stall.
func (n *Node) starts(t *testing.T) int {
	t.Helper()
	return strings.Count(n.Must(t, "cat /srv/starts 2>/dev/null")+"\n", "releases/")
}

// told is what tests read of `show -o json`.
type told struct {
	ID     string `json:"deployment"`
	Status string `json:"status"`
	Runs   []struct {
		By struct {
			Host string `json:"host"`
		} `json:"by"`
	} `json:"runs"`
}

// show asks for the newest deployment.
func (s *Site) show(t *testing.T, environment string) told {
	t.Helper()
	ended := s.Run(t, "show", "last", "web", "-e", environment, "-o", "json")
	ended.Expect(t, 0)
	var d told
	if err := json.Unmarshal([]byte(ended.Out), &d); err != nil {
		t.Fatalf("%v:\n%s", err, ended.Text)
	}
	return d
}

// within fails the test when something took longer.
func within(t *testing.T, what string, began time.Time, limit time.Duration) {
	t.Helper()
	took := time.Since(began).Round(100 * time.Millisecond)
	t.Logf("%s: %s", what, took)
	if took > limit {
		t.Errorf("%s: it took %s, more than %s", what, took, limit)
	}
}
