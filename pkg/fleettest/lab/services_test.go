package lab

import (
	"strings"
	"testing"
)

// unitPart adds a drop-in to a unit of the node; the node's reset takes it off.
func (n *Node) unitPart(t *testing.T, service, text string) {
	t.Helper()
	n.Must(t, `mkdir -p /etc/systemd/system/`+service+`.service.d
		cat > /etc/systemd/system/`+service+`.service.d/lab.conf <<'EOF_PART'
`+text+`
EOF_PART
		systemctl daemon-reload`)
}

// closeIndex cuts the node off from index and registry until the test ends.
func (n *Node) closeIndex(t *testing.T) {
	t.Helper()
	n.Must(t, `nft add table inet closed
		nft 'add chain inet closed out { type filter hook output priority 0; }'
		nft add rule inet closed out ip daddr 10.77.0.1 tcp dport '{ 8000, 4873 }' reject with tcp reset`)
	t.Cleanup(func() { _, _ = n.Exec("nft delete table inet closed") })
}

// changed is the default configuration with some texts replaced by others: old, new, old, new, …
func changed(t *testing.T, oldNew ...string) string {
	t.Helper()
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(DefaultConfig, oldNew[i]) {
			t.Fatalf("the default configuration has no %q", oldNew[i])
		}
	}
	return strings.NewReplacer(oldNew...).Replace(DefaultConfig)
}

// The last lines that are shown of a unit which dies are those of a process that is dead, with the error as the last: not what the next
// process, which systemd started meanwhile, has printed so far.
func TestUnitThatDiesAtOnce(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	n := nodes[0]
	site := l.Site(t, DefaultConfig, nodes)
	const lastLine = "  | RuntimeError: database schema 42 is too old for this release\n  "

	site.Run(t, "deploy", "api==1.2.0", "-e", "production").Expect(t, 4, lastLine+"stopped: there was no earlier release to go back to", "no release")
	ExpectTruth(t, "api", nodes, "nothing")

	site.Run(t, "deploy", "api==1.0.0", "-e", "production").Expect(t, 0)
	// After the second start systemd gives up, and refuses any further one until reset-failed.
	n.unitPart(t, "api", "[Unit]\nStartLimitIntervalSec=600\nStartLimitBurst=2\n[Service]\nRestartSec=0")
	site.Run(t, "deploy", "api==1.2.0", "-e", "production").
		Expect(t, 1, "failed "+n.Name+" at ", lastLine+"put back on 1.0.0", "all back on what they ran before")
	ExpectTruth(t, "api", nodes, "1.0.0")
	site.Run(t, "deploy", "api==1.2.0", "-e", "production", "--on-failure", "halt").Expect(t, 4, "left as it is", "rollpin rollback api -e production")
	n.Must(t, `for try in $(seq 300); do [ "$(systemctl show -P ActiveState api)" != failed ] || break; sleep 0.1; done
		! systemctl start api 2>/dev/null || exit 1`)
	n.closeIndex(t)
	site.Run(t, "rollback", "api", "-e", "production", "--version", "1.0.0").Expect(t, 0)
	ExpectTruth(t, "api", nodes, "1.0.0")
}

func TestHealthThatDoesNotCome(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	site := l.Site(t, DefaultConfig, nodes)
	hasty := l.Site(t, changed(t, "8081/healthz\", expect: {version: json:version}, interval: 200ms, timeout: 15s",
		"8081/healthz\", expect: {version: json:version}, interval: 200ms, timeout: 3s"), nodes)

	site.Run(t, "deploy", "web==1.0.0", "-e", "production").Expect(t, 0)
	hasty.Run(t, "deploy", "web==1.4.0", "-e", "production").Expect(t, 1, "unhealthy "+nodes[0].Name+" at health", "3s", "put back on 1.0.0")
	ExpectTruth(t, "web", nodes, "1.0.0")
	site.Run(t, "deploy", "web==1.4.0", "-e", "production").Expect(t, 0)
	ExpectTruth(t, "web", nodes, "1.4.0")
	// The way back needs its time, too.
	hasty.Run(t, "deploy", "web==1.3.0", "-e", "production").Expect(t, 4, "500", "not put back")
	site.Run(t, "rollback", "web", "-e", "production", "--version", "1.0.0").Expect(t, 0)
	site.Run(t, "deploy", "web==1.2.0", "-e", "production").Expect(t, 1, "failed "+nodes[0].Name+" at ", "Error: ", "put back on 1.0.0")
	ExpectTruth(t, "web", nodes, "1.0.0")
}

// A process that flaps is well at nearly every look: it is caught because it is not the one that was healthy.
func TestServiceThatFlaps(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 2)
	site := l.Site(t, DefaultConfig, nodes)
	site.Run(t, "deploy", "web==1.0.0", "-e", "production").Expect(t, 0)
	e := site.Run(t, "deploy", "web==1.6.0", "-e", "production", "--bake", "15s")
	e.Expect(t, 1, "unhealthy "+nodes[0].Name+" at bake: ", "gives up", "put back on 1.0.0", "1 node touched")
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0")
}

// The old process is gone, but a child of it has the port: neither the new release nor the old one can come up, and the child is named.
func TestLeakedPort(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	site := l.Site(t, DefaultConfig, nodes)
	site.Run(t, "deploy", "web==1.5.0", "-e", "production").Expect(t, 0)
	e := site.Run(t, "deploy", "web==1.0.0", "-e", "production")
	e.Expect(t, 4, "EADDRINUSE", "not put back", "(acme-web-leak) outlived an earlier stop of web.service, and may hold its port: on the node: kill ")
	nodes[0].Must(t, "systemctl kill -s KILL web; systemctl stop web; pkill acme-web-leak")
	site.Run(t, "deploy", "web==1.0.0", "-e", "production").Expect(t, 0)
	ExpectTruth(t, "web", nodes, "1.0.0")
}

// What a unit cannot do is told before it is touched, or as soon as it shows; a real reload keeps the main process.
func TestReloadAction(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	n := nodes[0]
	site := l.Site(t, changed(t, "restart: {systemd: web.service}", "restart: {systemd: web.service, action: reload}"), nodes)
	site.Run(t, "deploy", "web==1.0.0", "-e", "production", "--restart", "systemd:nosuch.service").
		Expect(t, 3, "systemd knows no unit nosuch.service", "daemon-reload")

	site.Run(t, "deploy", "web==1.0.0", "-e", "production").Expect(t, 0) // it did not run: it is started
	// A master that starts its worker anew on SIGHUP.
	n.unitPart(t, "web", `[Service]
ExecReload=/bin/kill -HUP $MAINPID
KillMode=control-group
ExecStart=
ExecStart=/bin/sh -c 'trap : HUP; while :; do /srv/web/current/node_modules/.bin/acme-web & wait; kill $$!; wait; done'`)
	t.Cleanup(func() { _, _ = n.Exec("systemctl stop web") }) // while it still ends its worker, too
	n.Must(t, "systemctl restart web")
	const master = "systemctl show -P MainPID web"
	before := n.Must(t, master)
	site.Run(t, "deploy", "web==1.1.0", "-e", "production").Expect(t, 0)
	ExpectTruth(t, "web", nodes, "1.1.0")
	if now := n.Must(t, master); now != before {
		t.Errorf("the main process is %s, and was %s before the reload", now, before)
	}
	site.Run(t, "status", "web", "-e", "production").Expect(t, 0, "1 node on 1.1.0")
	site.Run(t, "deploy", "web==1.3.0", "-e", "production").Expect(t, 1, "500", "put back on 1.1.0")
	ExpectTruth(t, "web", nodes, "1.1.0")
}

func TestStatusTellsAnOldProcess(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	site := l.Site(t, DefaultConfig, nodes)
	site.Run(t, "deploy", "web==1.0.0", "-e", "production").Expect(t, 0)
	site.Run(t, "deploy", "web==1.1.0", "-e", "production").Expect(t, 0)
	site.Run(t, "status", "web", "-e", "production").Expect(t, 0, "1 node on 1.1.0")
	nodes[0].Must(t, `cd /srv/web && ln -sfn releases/1.0.0-* current`)
	site.Run(t, "status", "web", "-e", "production").Expect(t, 4, "its process is older than the link", "answered version 1.1.0, want 1.0.0")
}
