package lab

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// treeOf is every file of a node's current release, but for its record: modes, sizes, dates, digests, and where links lead.
func (n *Node) treeOf(t *testing.T, service string) string {
	t.Helper()
	return n.Must(t, `cd "$(readlink -f /srv/`+service+`/current)"
		{
			find . ! -path . ! -name release.json ! -type l -printf '%y %m %s %Ts %p\n' | sed 's/^\(d [0-9]*\) [0-9]*/\1/'
			find . -type l -printf 'l %p %l\n'
			find . -type f ! -path ./release.json -exec sha256sum {} +
		} | LC_ALL=C sort`)
}

func expectSameTrees(t *testing.T, service string, nodes []*Node) {
	t.Helper()
	trees := make([]string, len(nodes))
	each(nodes, func(i int, n *Node) { trees[i] = n.treeOf(t, service) })
	if lines := strings.Count(trees[0], "\n"); lines < 15 {
		t.Errorf("%s: a release of %d lines:\n%s", service, lines, trees[0])
	}
	for i, tree := range trees {
		if tree != trees[0] {
			t.Errorf("%s: %s has other files than %s: %s", service, nodes[i].Name, nodes[0].Name, firstDifference(trees[0], tree))
		}
	}
}

func firstDifference(was, is string) string {
	a, b := strings.Split(was, "\n"), strings.Split(is, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%q, and %q", b[i], a[i])
		}
	}
	return fmt.Sprintf("%d lines, and %d", len(b), len(a))
}

// expectClean fails the test if there is anything beside finished releases.
func expectClean(t *testing.T, service string, nodes []*Node) {
	t.Helper()
	each(nodes, func(_ int, n *Node) {
		left := n.Must(t, `cd /srv/`+service+`; find .rollpin -mindepth 2; ls -d .rollpin/aside-* 2>/dev/null
			for release in releases/*/; do [ -s "$release/release.json" ] || echo "$release"; done`)
		if left != "" {
			t.Errorf("left on %s:\n%s", n.Name, left)
		}
	})
}

// The index goes when the first node has built: all others get the same bits, and the way back asks no index either. What runs writes nothing
// into its release.
func TestSameBitsThoughTheIndexGoes(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 3)
	site := l.Site(t, DefaultConfig, nodes)
	for _, version := range []string{"1.0.0", "1.1.0"} {
		for _, service := range []string{"api", "web"} {
			var once sync.Once
			ended := site.Watch(t, func(e Event, _ *os.Process) {
				if e.Kind == "step-finished" && e.Step == "stage" {
					once.Do(func() { each(nodes, func(_ int, n *Node) { n.closeIndex(t) }) })
				}
			}, "deploy", service+"=="+version, "-e", "production")
			ended.Expect(t, 0, `"how":"built"`, `"how":"sent"`)
			ExpectTruth(t, service, nodes, strings.TrimSpace(strings.Repeat(version+" ", len(nodes))))
			expectSameTrees(t, service, nodes)
			expectClean(t, service, nodes)
			each(nodes, func(_ int, n *Node) { n.Must(t, "nft delete table inet closed") })
		}
	}
	each(nodes, func(_ int, n *Node) { n.closeIndex(t) })
	for _, service := range []string{"api", "web"} {
		site.Run(t, "rollback", service, "-e", "production").Expect(t, 0)
		ExpectTruth(t, service, nodes, "1.0.0 1.0.0 1.0.0")
		expectSameTrees(t, service, nodes)
	}

	// Python takes the byte-code that was sent, and writes none, although root may.
	n := nodes[2]
	before := n.treeOf(t, "api")
	n.Must(t, "systemctl restart api; for _ in $(seq 50); do curl -s http://127.0.0.1:8080/ && break; sleep 0.2; done")
	loaded := n.Must(t, `cd /; /srv/api/current/bin/python -v -c 'import acme_api.server, acme_greeting' 2>&1 | grep -c "^# code object from '/srv/api/.*/__pycache__/.*pyc'"`)
	if loaded == "0" {
		t.Error("python compiles what was compiled before it was sent")
	}
	if after := n.treeOf(t, "api"); after != before {
		t.Errorf("the service changed its release: %s", firstDifference(before, after))
	}
}

// A disk that is full where the files are to go: exit 3, in words, and once there is room the next run needs no help.
func TestNoRoomForWhatIsSent(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 2)
	t.Cleanup(func() { each(nodes, func(_ int, n *Node) { n.Must(t, "rm -f /var/fill") }) })
	site := l.Site(t, changed(t, "path: /srv/web", "path: /srv/web\n    min_free: 1MiB"), nodes)
	site.Run(t, "deploy", "web==1.0.0", "-e", "production").Expect(t, 0)
	var once sync.Once
	ended := site.Follow(t, func(line string, _ *os.Process) {
		if m := stepStarted.FindStringSubmatch(line); m != nil && m[2] == "stage" {
			once.Do(func() {
				if err := nodes[1].Break("disk-full"); err != nil {
					t.Error(err)
				}
				nodes[1].Must(t, "dd if=/dev/zero of=/var/fill bs=4k 2>/dev/null")
			})
		}
	}, "deploy", "web==1.1.0", "-e", "production", "-v")
	ended.Expect(t, 3, "no running service was touched")
	t.Log(ended.Out)
	if said := readLastBlock(ended.Out).named[nodes[1].Name]; !strings.Contains(said, "No space left") && !strings.Contains(said, "free") && !strings.Contains(said, "room") {
		t.Errorf("of room is said %q:\n%s", said, ended.Text)
	}
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0")
	nodes[1].Must(t, "rm -f /var/fill")
	nodes[1].Heal(t)
	site.Run(t, "deploy", "web==1.1.0", "-e", "production").Expect(t, 0)
	ExpectTruth(t, "web", nodes, "1.1.0 1.1.0")
	expectSameTrees(t, "web", nodes)
	expectClean(t, "web", nodes)
}

// The deployer is killed while a node puts together what it was sent.
func TestKilledWhileShipping(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 2)
	site := l.Site(t, DefaultConfig, nodes)
	site.Run(t, "deploy", "api==1.0.0", "-e", "production").Expect(t, 0)
	n := nodes[1]
	n.Must(t, `rm -f /run/held /run/go
		cat > /usr/local/bin/tar <<'EOF'
#!/bin/sh
case "$1" in -x*) [ -e /run/held ] || { : > /run/held; for _ in $(seq 300); do [ ! -e /run/go ] || break; sleep 0.1; done; } ;; esac
exec /bin/tar "$@"
EOF
		chmod +x /usr/local/bin/tar`)
	t.Cleanup(func() { n.Must(t, "rm -f /usr/local/bin/tar /run/held /run/go") })
	var once sync.Once
	ended := site.Follow(t, func(line string, p *os.Process) {
		if m := stepStarted.FindStringSubmatch(line); m != nil && m[2] == "stage" && m[1] == n.Name {
			once.Do(func() {
				awaitHeld(t, n)
				if err := p.Kill(); err != nil {
					t.Error(err)
				}
			})
		}
	}, "deploy", "api==1.1.0", "-e", "production", "-v")
	ended.Expect(t, -1)
	n.Must(t, ": > /run/go")
	time.Sleep(2 * time.Second) // what goes on without a deployer has its time
	ExpectTruth(t, "api", nodes, "1.0.0 1.0.0")
	site.Run(t, "deploy", "api==1.1.0", "-e", "production").Expect(t, 0)
	ExpectTruth(t, "api", nodes, "1.1.0 1.1.0")
	expectSameTrees(t, "api", nodes)
	expectClean(t, "api", nodes)
}
