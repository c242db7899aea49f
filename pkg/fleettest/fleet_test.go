//go:build unix

package fleettest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// startFleet starts a fleet that ends with the test.
func startFleet(t *testing.T, names ...string) *Fleet {
	t.Helper()
	fleet, err := Start(Options{Dir: t.TempDir(), Names: names, Zones: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fleet.Close(); err != nil {
			t.Error(err)
		}
	})
	return fleet
}

// oneNode starts a fleet of one node.
func oneNode(t *testing.T, units ...Unit) (*Node, *ssh.Client) {
	t.Helper()
	fleet := startFleet(t, "web-1")
	node := fleet.Nodes[0]
	for _, u := range units {
		if err := node.AddUnit(u); err != nil {
			t.Fatal(err)
		}
	}
	return node, logInto(t, fleet, node)
}

// logInto connects as a user would: with the fleet's key and its known hosts.
func logInto(t *testing.T, fleet *Fleet, node *Node) *ssh.Client {
	t.Helper()
	text, err := os.ReadFile(fleet.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	known, err := knownhosts.New(fleet.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", node.SSH.Addr(), &ssh.ClientConfig{
		User: User, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: known, Timeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// answer is what one command on a node left behind.
type answer struct {
	out, err string
	status   int
}

func (a answer) String() string {
	return fmt.Sprintf("status %d\nstdout: %s\nstderr: %s", a.status, a.out, a.err)
}

// on runs a shell line on a node.
func on(t *testing.T, client *ssh.Client, line string, stdin ...string) answer {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var out, errOut bytes.Buffer
	session.Stdout, session.Stderr, session.Stdin = &out, &errOut, strings.NewReader(strings.Join(stdin, ""))
	err = session.Run(line)
	status := 0
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitStatus()
	} else if err != nil {
		t.Fatal(err)
	}
	return answer{out.String(), errOut.String(), status}
}

// expect runs a shell line and fails the test unless it ends with status and prints all of the parts, on either stream.
func expect(t *testing.T, client *ssh.Client, line string, status int, parts ...string) answer {
	t.Helper()
	got := on(t, client, line)
	if got.status != status {
		t.Errorf("%s: want status %d, got %s", line, status, got)
	}
	for _, part := range parts {
		if !strings.Contains(got.out+got.err, part) {
			t.Errorf("%s: want %q, got %s", line, part, got)
		}
	}
	return got
}

// eventually waits for what happens in another process.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("in vain: %s", what)
}

func TestNodesSeeOnlyTheirOwnEnvironment(t *testing.T) {
	t.Setenv("PIP_INDEX_URL", "http://outside")
	t.Setenv("npm_config_registry", "http://outside")
	t.Setenv("SSH_AUTH_SOCK", "/outside")
	node, client := oneNode(t)
	names := map[string]string{}
	for entry := range strings.Lines(on(t, client, "env").out) {
		name, value, _ := strings.Cut(strings.TrimSpace(entry), "=")
		names[name] = value
	}
	for name, want := range map[string]string{
		"HOME": node.Home, "USER": "deploy", "PORT": fmt.Sprint(node.Port), "TMPDIR": node.Home + "/tmp", "PATH": node.Home + "/bin:" + os.Getenv("PATH"),
	} {
		if names[name] != want {
			t.Errorf("%s is %q, want %q", name, names[name], want)
		}
	}
	for name := range names {
		if !slices.Contains([]string{"HOME", "USER", "LOGNAME", "PORT", "TMPDIR", "PATH", "LANG", "SVDIR", "PWD", "OLDPWD", "SHLVL", "_"}, name) {
			t.Errorf("%s leaked into the node", name)
		}
	}
	expect(t, client, `cat "$(mktemp -p "$TMPDIR")" && pwd`, 0, node.Home)
}

func TestInventoryNamesEveryNode(t *testing.T) {
	t.Parallel()
	fleet := startFleet(t, "web-1", "web-2", "web-3")
	text, err := os.ReadFile(fleet.InventoryFile)
	if err != nil {
		t.Fatal(err)
	}
	var inventory struct {
		Nodes []struct {
			Name, Address, User, Environment, Zone string
			Roles                                  []string
		}
	}
	if err := json.Unmarshal(text, &inventory); err != nil {
		t.Fatal(err)
	}
	zones := ""
	for i, entry := range inventory.Nodes {
		zones += entry.Zone
		if entry.Name != fleet.Nodes[i].Name || entry.Address != fleet.Nodes[i].SSH.Addr() || entry.User != User ||
			entry.Environment != "production" || !slices.Equal(entry.Roles, []string{"api"}) {
			t.Errorf("entry %d: %+v", i, entry)
		}
	}
	if zones != "aba" {
		t.Errorf("zones are given out as %q", zones)
	}
	if fleet.Nodes[0].Port == fleet.Nodes[1].Port {
		t.Error("two nodes share a port")
	}
}

func TestNodesReachLoopbackAlone(t *testing.T) {
	t.Parallel()
	node, client := oneNode(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if conn, err := client.Dial("tcp", other.Addr().String()); err != nil {
		t.Errorf("another port of loopback: %v", err)
	} else {
		conn.Close()
	}
	for address, want := range map[string]ssh.RejectionReason{"192.0.2.1:80": ssh.Prohibited, "example.org:80": ssh.Prohibited, "127.0.0.1:8080": ssh.ConnectionFailed} {
		var refused *ssh.OpenChannelError
		if _, err := client.Dial("tcp", address); !errors.As(err, &refused) || refused.Reason != want {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
	}

	service, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", node.Port))
	if err != nil {
		t.Fatalf("the node's port is not free for its service: %v", err)
	}
	defer service.Close()
	conn, err := client.Dial("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestRemoveToolHidesIt(t *testing.T) {
	t.Parallel()
	fleet := startFleet(t, "web-1")
	node := fleet.Nodes[0]
	address := node.SSH.Addr()
	expect(t, logInto(t, fleet, node), "command -v python3 && command -v systemctl", 0)
	if err := node.RemoveTool("python3", "systemctl"); err != nil {
		t.Fatal(err)
	}
	if node.SSH.Addr() != address {
		t.Errorf("the node moved to %s", node.SSH.Addr())
	}
	client := logInto(t, fleet, node) // its host key is the same
	expect(t, client, "command -v python3", 127)
	expect(t, client, "command -v systemctl", 127)
	expect(t, client, "printf 'a b' | sed 's/a/x/' | tr x y", 0, "y b")
	if err := node.RemoveTool("npm"); err != nil {
		t.Fatal(err)
	}
	client = logInto(t, fleet, node)
	expect(t, client, "command -v npm || command -v python3", 127)
}

// A service that starts others and ignores SIGTERM leaves nothing behind either.
func TestCloseOfAFleetLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fleet, err := Start(Options{Dir: dir, Names: []string{"web-1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	node := fleet.Nodes[0]
	if err := node.AddUnit(Unit{Name: "api.service", Exec: []string{"/bin/sh", "-c", `trap "" TERM; sleep 1000 & echo $! >~/child; while :; do sleep 1000; done`}}); err != nil {
		t.Fatal(err)
	}
	client := logInto(t, fleet, node)
	expect(t, client, "systemctl start api", 0)
	var child int
	eventually(t, "the service starts a child", func() bool {
		text, _ := os.ReadFile(filepath.Join(node.Home, "child"))
		n, _ := fmt.Sscan(string(text), &child)
		return n == 1
	})
	main := node.Unit("api.service").PID
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("echo $$; exec sleep 1000"); err != nil {
		t.Fatal(err)
	}
	var command int
	if _, err := fmt.Fscan(pipe, &command); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{main, child, command} {
		if !lives(pid) {
			t.Fatalf("process %d does not run", pid)
		}
	}
	if err := fleet.Close(); err != nil {
		t.Error(err)
	}
	for name, pid := range map[string]int{"service": main, "its child": child, "command": command} {
		eventually(t, name+" is gone", func() bool { return !lives(pid) })
	}
	if _, err := net.Dial("tcp", node.SSH.Addr()); err == nil {
		t.Error("the SSH server still listens")
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "run", "web-1")); len(left) > 0 {
		t.Errorf("left in run: %v", left)
	}
	if err := fleet.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

// The sample applications behave as their versions promise when they are installed by the real pip and npm.
func TestSampleApplications(t *testing.T) {
	if testing.Short() {
		t.Skip("installs real packages")
	}
	t.Parallel()
	servers, err := StartServers()
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	node, client := oneNode(t,
		Unit{Name: "api.service", Exec: []string{"~/venv/bin/acme-api"}},
		Unit{Name: "web.service", Exec: []string{"~/web/node_modules/.bin/acme-web"}, Port: 8081})
	if got := on(t, client, "python3 -m venv venv"); got.status != 0 {
		t.Fatal(got)
	}
	install := map[string]string{
		"api": "venv/bin/pip -q --disable-pip-version-check install --index-url " + servers.IndexURL + " acme-api==",
		"web": "mkdir -p web && npm install --silent --no-audit --no-fund --prefix web --registry " + servers.RegistryURL + " acme-web@",
	}
	ports := map[string]int{"api": 8080, "web": 8081}
	for _, c := range []struct{ service, version, health, greeting string }{
		{"api", "1.0.0", `200 {"status": "ok", "version": "1.0.0"}`, "Hello from acme-api 1.0.0"},
		{"api", "1.1.0", `200 {"status": "ok", "version": "1.1.0"}`, "Good day from acme-api 1.1.0"},
		{"api", "1.4.0", `500 {"status": "error", "version": "1.4.0", "reason": "cannot reach the database"}`, ""},
		{"api", "1.5.0", `200 {"status": "ok", "version": "1.5.0"}`, ""},
		{"api", "1.6.0rc1", `200 {"status": "ok", "version": "1.6.0rc1"}`, ""},
		{"api", "2.0.0", `200 {"status": "ok", "version": "1.9.9"}`, ""},
		{"web", "1.0.0", `200 {"status":"ok","version":"1.0.0"}`, "acme-web 1.0.0"},
		{"web", "1.6.0-rc.1", `200 {"status":"ok","version":"1.6.0-rc.1"}`, "blue acme-web 1.6.0-rc.1"},
		{"web", "1.4.0", `500 {"status":"error","version":"1.4.0","reason":"cannot reach the database"}`, ""},
	} {
		if got := on(t, client, install[c.service]+c.version); got.status != 0 {
			t.Fatalf("%s %s: %s", c.service, c.version, got)
		}
		expect(t, client, "systemctl reset-failed "+c.service+" && systemctl restart "+c.service, 0)
		base := fmt.Sprintf("http://127.0.0.1:%d", ports[c.service])
		var health string
		eventually(t, c.service+" "+c.version+" answers", func() bool {
			health = get(client, base+"/healthz")
			return health != ""
		})
		if health != c.health {
			t.Errorf("%s %s: health is %s, want %s", c.service, c.version, health, c.health)
		}
		if c.greeting != "" && get(client, base+"/") != "200 "+c.greeting {
			t.Errorf("%s %s: greets %q, want %q", c.service, c.version, get(client, base+"/"), c.greeting)
		}
	}

	for _, service := range []string{"api", "web"} {
		if got := on(t, client, install[service]+"1.3.0"); got.status != 0 {
			t.Fatal(got)
		}
		expect(t, client, "systemctl reset-failed "+service+" && systemctl restart "+service, 0)
		eventually(t, "1.3.0 dies", func() bool { return !node.Unit(service + ".service").Running })
		expect(t, client, "journalctl --no-pager -u "+service, 0, "database schema 42 is too old", "status=1/FAILURE")
	}
}

// get asks an URL through a node's SSH connection: the status and the body, or "" if there is no answer.
func get(client *ssh.Client, url string) string {
	transport := &http.Transport{DialContext: client.DialContext}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Get(url)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d %s", response.StatusCode, strings.TrimSpace(string(body)))
}
