package lab

import (
	"os"
	"strings"
	"testing"
)

// Which version is taken, and what is said of one that cannot be: asked of real pip and npm, and nothing is written.
func TestVersionsOfTheIndex(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	site := l.Site(t, DefaultConfig, nodes)
	for _, c := range []struct {
		deploy string
		status int
		says   []string
	}{
		{"api", 0, []string{"release 1.7.0-", "dry run"}}, // 2.0.0 takes no Python of the node, 1.8.0rc1 is a pre-release
		{"web", 0, []string{"release 1.7.0-"}},
		{"web@next", 0, []string{"release 1.8.0-rc.1-"}},
		{"api==1.0.1", 3, []string{"1.0.1", "yanked", "loses orders when the clock goes back", "--allow-yanked"}},
		{"api==1.0.1 --allow-yanked", 0, []string{"release 1.0.1-"}},
		{"api==2.0.0", 3, []string{"2.0.0", "Python", "3.99"}},
		{"api==1.3.7", 3, []string{"1.3.7", "1.3.0"}},
		{"web==1.3.7", 3, []string{"1.3.7", "1.3.0"}},
	} {
		args := append([]string{"deploy"}, strings.Fields(c.deploy)...)
		site.Run(t, append(args, "-e", "production", "--dry-run")...).Expect(t, c.status, c.says...)
	}
	if left := nodes[0].Must(t, "ls -A /srv /tmp"); strings.Contains(left, "api") || strings.Contains(left, "tmp.") {
		t.Errorf("dry runs left something:\n%s", left)
	}
}

func TestPrivateIndexes(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	config := changed(t, "index: $INDEX", "index: $PRIVATE_INDEX\n    index_auth: {user: ci, password_file: password}",
		"package: acme-web", "package: \"@acme/web\"", "index: $REGISTRY", "index: $REGISTRY\n    index_auth: {password_file: token}")
	site := l.Site(t, config, nodes)
	registry, err := os.ReadFile(l.Dir + "/made/registry/token")
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(registry))
	write(t, site.Dir, "password", "no-such-secret\n")
	write(t, site.Dir, "token", "no-such-token\n")
	for service, says := range map[string]string{"api": "401", "web": ""} {
		e := site.Run(t, "deploy", service+"==1.0.0", "-e", "production")
		e.Expect(t, 3, says, "index_auth")
		if strings.Contains(e.Text, "no-such-") {
			t.Errorf("a secret is shown:\n%s", e.Text)
		}
	}
	write(t, site.Dir, "password", "ci-secret\n")
	write(t, site.Dir, "token", token+"\n")
	stop := watchFor(t, []string{"cmdline"}, "ci-secret", token) // pip reads them from its environment, which is root's own
	for _, service := range []string{"api", "web"} {
		e := site.Run(t, "deploy", service+"==1.0.0", "-e", "production")
		e.Expect(t, 0)
		if strings.Contains(e.Text, "ci-secret") || strings.Contains(e.Text, token) {
			t.Errorf("a secret is shown:\n%s", e.Text)
		}
	}
	stop()
	nodes[0].keepsNo(t, "ci-secret")
	nodes[0].keepsNo(t, token)
}

// No file but an inventory, no index but the one of the node: the command of the README. The second time it does nothing.
func TestFlagsAlone(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	n := nodes[0]
	n.Must(t, "printf '[global]\nindex-url = "+l.Index+"\ntrusted-host = 10.77.0.1\n' > /etc/pip.conf; echo 'registry="+l.Registry+"' > /root/.npmrc")
	site := l.Site(t, DefaultConfig, nodes)
	if err := os.Remove(site.Dir + "/rollpin.yaml"); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(l.SSHConfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(site.Dir+"/.ssh", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, site.Dir, ".ssh/config", string(config)+"\nHost *\n  User deploy\n")
	site.Env = append(site.Env, "HOME="+site.Dir)
	main := strings.Fields("deploy acme-api==1.1.0 --role api -e production --inventory inventory.yaml --manager pip --path /srv/api " +
		"--restart systemd:api.service --health http://127.0.0.1:8080/healthz --become sudo")
	site.Run(t, main...).Expect(t, 0)
	ExpectTruth(t, "api", nodes, "1.1.0")

	const logins = "journalctl -q -t sudo -o cat | grep -c COMMAND="
	before := n.Must(t, logins)
	e := site.Watch(t, func(Event, *os.Process) {}, main...)
	e.Expect(t, 0)
	for _, event := range e.Events {
		if event.Kind == "step-started" && event.Step != "probe" {
			t.Errorf("a deployment with nothing to do does the step %s", event.Step)
		}
	}
	if now := n.Must(t, logins+" | { read -r now; echo $((now - "+before+")); }"); now != "1" {
		t.Errorf("a deployment with nothing to do runs %s commands on the node", now)
	}
	site.Run(t, strings.Fields("deploy acme-web --role web -e production --inventory inventory.yaml --manager npm --path /srv/web "+
		"--restart systemd:web.service --health tcp:127.0.0.1:8081 --become sudo --dry-run")...).Expect(t, 0, "release 1.7.0-")
}
