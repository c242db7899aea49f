package lab

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// venv makes a venv on the node as people have them: an older version, packages that nothing needs, things put there by hand, another owner.
func (n *Node) venv(t *testing.T) {
	t.Helper()
	n.Must(t, `set -e
		python3 -m venv /srv/venv
		/srv/venv/bin/pip install -q -i `+n.lab.Index+` --trusted-host 10.77.0.1 acme-api==1.0.0
		cd /srv/venv/lib/python3*/site-packages
		echo '# by hand' >> decorator.py
		/srv/venv/bin/python -m compileall -q -f decorator.py # within a second of its installation only the size differs
		echo 'import sys' > hand-made.pth
		mkdir extra extra-1.0.dist-info
		echo 'x = 1' > extra/__init__.py
		printf 'Name: extra\nVersion: 1.0\n\n' > extra-1.0.dist-info/METADATA
		printf 'extra/__init__.py,,\nextra-1.0.dist-info/METADATA,,\nextra-1.0.dist-info/RECORD,,\n../../../share/extra/notes,,\n' > extra-1.0.dist-info/RECORD
		mkdir -p /srv/venv/share/extra
		echo notes > /srv/venv/share/extra/notes
		echo data > /srv/venv/data
		chown -R deploy:deploy /srv/venv`)
	n.unitPart(t, "api", "[Service]\nExecStart=\nExecStart=/srv/venv/bin/acme-api")
	n.Must(t, "systemctl restart api")
}

// inVenv is every file, folder and link of the venv, with owner, mode, time and digest, but for what is rollpin's own.
func (n *Node) inVenv(t *testing.T) string {
	t.Helper()
	return n.Must(t, `cd /srv/venv
		find . -path ./.rollpin -prune -o -type d -printf '%p %U:%G %m\n' -o -type l -printf '%p %U:%G %l\n' -o -type f -printf '%p %U:%G %m %T@\n' | sed 's/\.[0-9]*$//' | sort
		find . -path ./.rollpin -prune -o -type f -exec sha256sum {} + | sort -k 2`)
}

// answer is the version that the service says of itself; it gets a moment to start.
func (n *Node) answer(t *testing.T) string {
	t.Helper()
	return n.Must(t, `for try in $(seq 60); do
			version=$(curl -s -m 3 http://127.0.0.1:8080/healthz | sed -n 's/.*"version": *"\([^"]*\)".*/\1/p')
			[ -z "$version" ] || break
			sleep 0.5
		done
		echo "${version:-silent}"`)
}

func expectAnswers(t *testing.T, nodes []*Node, want string) {
	t.Helper()
	for _, n := range nodes {
		if got := n.answer(t); got != want {
			t.Errorf("%s answers %s, not %s", n.Name, got, want)
		}
	}
}

// expectVenvs compares venvs with what they were, and shows the first lines that differ.
func expectVenvs(t *testing.T, nodes []*Node, was []string) {
	t.Helper()
	for i, n := range nodes {
		is := n.inVenv(t)
		if is == was[i] {
			continue
		}
		before, now := strings.Split(was[i], "\n"), strings.Split(is, "\n")
		for _, line := range now {
			if !slices.Contains(before, line) {
				t.Errorf("%s has now %s", n.Name, line)
			}
		}
		for _, line := range before {
			if !slices.Contains(now, line) {
				t.Errorf("%s had %s", n.Name, line)
			}
		}
		t.FailNow()
	}
}

func venvs(t *testing.T, nodes []*Node) []string {
	t.Helper()
	var all []string
	for _, n := range nodes {
		all = append(all, n.inVenv(t))
	}
	return all
}

func TestOneVenvThatStays(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 2)
	config := changed(t, "path: /srv/api", "path: /srv/venv\n    layout: in-place")
	site := l.Site(t, config, nodes)
	site.Run(t, "deploy", "api==1.1.0", "-e", "production").Expect(t, 3, "/srv/venv is no virtual environment", "python3 -m venv /srv/venv")
	for _, n := range nodes {
		n.venv(t)
	}
	expectAnswers(t, nodes, "1.0.0")
	found := venvs(t, nodes)

	site.Run(t, "deploy", "api==1.1.0", "-e", "production").Expect(t, 0, "1.0.0 -> 1.1.0")
	expectAnswers(t, nodes, "1.1.0")
	if list := nodes[0].Must(t, "/srv/venv/bin/pip list --format freeze; /srv/venv/bin/pip check"); strings.Contains(list, "extra") || !strings.Contains(list, "No broken") {
		t.Errorf("not exactly the lock is installed:\n%s", list)
	}
	first := venvs(t, nodes)
	site.Run(t, "deploy", "api==1.2.0", "-e", "production").Expect(t, 1, "put back on 1.1.0", "all back on what they ran before")
	expectVenvs(t, nodes, first)
	expectAnswers(t, nodes, "1.1.0")
	site.Run(t, "deploy", "api==1.7.0", "-e", "production").Expect(t, 0)

	for _, n := range nodes {
		n.closeIndex(t)
	}
	site.Run(t, "rollback", "api", "-e", "production").Expect(t, 0)
	expectVenvs(t, nodes, first)
	site.Run(t, "rollback", "api", "-e", "production").Expect(t, 0)
	expectVenvs(t, nodes, found)
	expectAnswers(t, nodes, "1.0.0")
	site.Run(t, "status", "api", "-e", "production").Expect(t, 0, "2 nodes on 1.0.0")
}

// A deployer that dies while the packages are replaced leaves a node that says so, and that the next run puts right.
func TestDeathWhileAVenvChanges(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	n := nodes[0]
	site := l.Site(t, changed(t, "path: /srv/api", "path: /srv/venv\n    layout: in-place"), nodes)
	n.venv(t)
	found := venvs(t, nodes)
	site.Run(t, "deploy", "api==1.1.0", "-e", "production", "--dry-run").Expect(t, 0)
	expectVenvs(t, nodes, found)
	// rmdir comes between what goes and what comes.
	n.Must(t, `printf '#!/bin/sh\n[ ! -e /srv/venv/.rollpin/.rollpin/changing ] || sleep 20\nexec /bin/rmdir "$@"\n' > /usr/local/bin/rmdir; chmod 755 /usr/local/bin/rmdir`)
	t.Cleanup(func() { _, _ = n.Exec("rm -f /usr/local/bin/rmdir") })
	site.Watch(t, func(e Event, p *os.Process) {
		if e.Kind == "step-started" && e.Step == "switch" {
			n.Must(t, "for try in $(seq 100); do [ ! -e /srv/venv/.rollpin/.rollpin/changing ] || break; sleep 0.1; done; sleep 1")
			_ = p.Kill()
		}
	}, "deploy", "api==1.1.0", "-e", "production")
	n.Must(t, "rm -f /usr/local/bin/rmdir")
	time.Sleep(time.Second)
	if n.inVenv(t) == found[0] {
		t.Fatal("nothing had changed yet")
	}
	site.Run(t, "status", "api", "-e", "production").Expect(t, 4, "1.1.0", "not seen healthy")
	n.closeIndex(t)
	site.Run(t, "rollback", "api", "-e", "production").Expect(t, 0)
	expectVenvs(t, nodes, found)
	expectAnswers(t, nodes, "1.0.0")
}
