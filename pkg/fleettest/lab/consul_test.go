package lab

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// consulConfig finds nodes by Consul and logs in as Consul says. The parts of discovery.consul are the test's.
func consulConfig(discovery string) string {
	text := strings.Replace(DefaultConfig, "{file: inventory.yaml}", "{consul: {"+discovery+"}}", 1)
	return strings.Replace(text, "user: deploy, ", "", 1)
}

// TestConsulWays finds the same two nodes by all three ways, as far as the token lets it.
func TestConsulWays(t *testing.T) {
	t.Parallel()
	l := lab(t)
	needACL(t, l)
	nodes := l.Take(t, 2)
	for _, n := range nodes {
		n.tellConsul(t, map[string]string{"role": "db, web,api", "environment": "ways", "zone": n.Zone, "ssh_user": "deploy", "rack": "r7",
			"tier": "front", "env": "ways-eu", "login": "carol"}, "ways")
	}
	names := nodes[0].Name + " " + nodes[1].Name
	byNode, byService := l.Site(t, consulConfig("match: node"), nodes), l.Site(t, consulConfig("match: service"), nodes)
	byFilter := l.Site(t, consulConfig(`match: filter, filter: 'Meta.tier == $role and Meta.env == $environment'`), nodes)
	byKeys := l.Site(t, consulConfig("keys: {role: tier, environment: env, ssh_user: login}"), nodes)
	byNode.awaitNodes(t, "ways", names)
	byService.awaitNodes(t, "ways", names)

	nodesOnly := l.token(t, `node_prefix "" { policy = "read" }`)
	servicesOnly := l.token(t, `service_prefix "" { policy = "read" }`)
	both := l.Tokens["deployer"]
	for _, c := range []struct {
		way               *Site
		what, token, args string
		status            int
		text              string
	}{
		{byNode, "node, the policy", both, "-e ways --role api", 0, names},
		{byNode, "node, nodes alone", nodesOnly, "-e ways --role db", 0, names},
		{byService, "service, the policy", both, "-e ways --role api", 0, names},
		{byFilter, "filter, the policy", both, "-e ways-eu --role front", 0, names},
		{byFilter, "filter, nodes alone", nodesOnly, "-e ways-eu --role front", 0, names},
		{byKeys, "other keys", nodesOnly, "-e ways-eu --role front", 0, names},

		{byService, "service, nodes alone", nodesOnly, "-e ways --role api", 3, "service_prefix"},
		{byService, "service, services alone", servicesOnly, "-e ways --role api", 3, "node_prefix"},
		{byNode, "node, services alone", servicesOnly, "-e ways --role api", 3, `the token needs: node_prefix`},
		{byNode, "node, no token", "", "-e ways --role api", 3, "set CONSUL_HTTP_TOKEN to a token that has: node_prefix"},
		{byService, "service, no token", "", "-e ways --role api", 3, "set CONSUL_HTTP_TOKEN"},
		{byFilter, "filter, no token", "", "-e ways-eu --role front", 3, "set CONSUL_HTTP_TOKEN"},
		{byNode, "node, wrong token", rand.Text(), "-e ways --role api", 3, "the token is unknown"},

		{byNode, "node, near role", both, "-e ways --role apj", 3, "did you mean api?"},
		{byNode, "node, near environment", both, "-e way --role api", 3, "did you mean ways?"},
		{byService, "service, near role", both, "-e ways --role wep", 3, "did you mean web?"},
		{byFilter, "filter, nothing fits", both, "-e ways-eu --role apj", 3, "fits none"},
	} {
		c.way.Env = []string{"CONSUL_HTTP_ADDR=" + l.Consul, "CONSUL_HTTP_TOKEN=" + c.token}
		ended := c.way.Run(t, append([]string{"nodes"}, strings.Fields(c.args)...)...)
		found := ended.Text
		if c.status == 0 {
			found = ended.Err + ended.listed()
		}
		if ended.Status != c.status || !strings.Contains(found, c.text) || c.status == 0 && ended.Err != "" {
			t.Errorf("%s: exit %d, want %d and %q\n%s", c.what, ended.Status, c.status, c.text, ended.Text)
		}
		if c.token != "" && strings.Contains(ended.Text, c.token) {
			t.Errorf("%s: the token is printed:\n%s", c.what, ended.Text)
		}
	}
	if ended := byKeys.Run(t, "nodes", "-e", "ways-eu"); !strings.Contains(ended.Out, "carol") {
		t.Errorf("ssh_user by another key is not read:\n%s", ended.Text)
	}
}

// TestConsulDeploy deploys to nodes as Consul knows them: one in maintenance, later with a dead agent.
func TestConsulDeploy(t *testing.T) {
	t.Parallel()
	l := lab(t)
	needACL(t, l)
	nodes := l.Take(t, 2)
	for _, n := range nodes {
		n.tellConsul(t, map[string]string{"role": "web", "environment": "real", "ssh_user": "deploy", "rack": "r7"}, "real")
	}
	site := l.Site(t, consulConfig("match: node"), nodes)
	site.awaitNodes(t, "real", nodes[0].Name+" "+nodes[1].Name)

	nodes[1].Must(t, "CONSUL_HTTP_TOKEN="+l.Tokens["management"]+" consul maint -enable -reason 'new disk'")
	l.await(t, "maintenance", "health/node/"+nodes[1].Name, "_node_maintenance")
	site.Run(t, "deploy", "web==1.0.0", "-e", "real", "--strategy", "parallel").Expect(t, 0, "2 of 2")
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0")
	for _, n := range nodes {
		if log := n.Must(t, "journalctl "+sshd); !strings.Contains(log, "Accepted publickey for deploy") {
			t.Errorf("%s: nobody logged in as the metadata says:\n%s", n.Name, log)
		}
	}

	// The agent dies and does not come back: the node is listed as dead, and a deployment neither leaves it out nor waits for it.
	nodes[1].dropIn(t, "consul", "Restart=no")
	nodes[1].Must(t, "systemctl kill -s KILL consul")
	t.Cleanup(func() { nodes[1].Must(t, "systemctl start consul") })
	l.await(t, "a critical serfHealth", "health/node/"+nodes[1].Name+`?filter=CheckID==serfHealth`, `"Status":"critical"`)
	site.Run(t, "nodes", "-e", "real").Expect(t, 0, "dead")
	refused := site.Run(t, "deploy", "web==1.1.0", "-e", "real", "--strategy", "parallel")
	refused.Expect(t, 3, nodes[1].Name, "serfHealth is critical", "--exclude "+nodes[1].Name)
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0")
	site.Run(t, "status", "web", "-e", "real").Expect(t, 4, nodes[1].Name)
	site.Run(t, "deploy", "web==1.1.0", "-e", "real", "--max-failures", "1").Expect(t, 4, "unreachable "+nodes[1].Name)
	ExpectTruth(t, "web", nodes, "1.1.0 1.0.0")
	site.Run(t, "rollback", "web", "-e", "real", "--exclude", nodes[1].Name).Expect(t, 0, "1 of 1")
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0")
}

// TestConsulServers takes Consul's servers away one by one. Discovery must answer, or say in bounded time why not.
// It is not parallel: it takes Consul from under all others.
func TestConsulServers(t *testing.T) {
	l := lab(t)
	if !strings.Contains(l.Options, "3 servers") {
		t.Skip("the lab has one Consul server: scripts/lab up --servers 3")
	}
	site := l.Site(t, consulConfig("match: node"), nil)
	leader := l.leader(t)
	var followers []int
	for number := 1; number <= 3; number++ {
		if number != leader {
			followers = append(followers, number)
		}
	}
	server := func(kind string, number int, args ...string) {
		t.Helper()
		if out, err := l.call(append([]string{kind, fmt.Sprintf("server-%d", number)}, args...)...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	t.Cleanup(func() {
		for number := 1; number <= 3; number++ {
			server("heal", number)
		}
		l.await(t, "a leader", "status/leader", ":8300")
		l.awaitAgents(t)
	})
	asked := fmt.Sprintf("http://10.77.0.%d:8500", followers[0]+1)
	site.Env = append(site.Env, "CONSUL_HTTP_ADDR="+asked)
	find := func(status int, within time.Duration, texts ...string) {
		t.Helper()
		ended := site.Run(t, "nodes", "-e", "production", "--role", "api")
		ended.Expect(t, status, texts...)
		if ended.Took > within {
			t.Errorf("it took %s", ended.Took)
		}
		t.Logf("%s: %s", ended.Took.Round(time.Millisecond), ended.Err)
	}

	server("break", leader, "kill")
	find(0, 20*time.Second, fmt.Sprintf("%d nodes", len(l.Nodes)))
	// Without a quorum, what the last server knows is still the way to a rollback.
	server("break", followers[1], "kill")
	find(0, 30*time.Second, fmt.Sprintf("%d nodes", len(l.Nodes)), "no leader")
	// A server that takes connections and never answers.
	server("break", followers[0], "freeze")
	find(3, 30*time.Second, asked[len("http://"):], "no answer within", "hint:")
	server("break", followers[0], "kill")
	find(3, 5*time.Second, "refused", "CONSUL_HTTP_ADDR")
}

func needACL(t *testing.T, l *Lab) {
	t.Helper()
	if l.Tokens["management"] == "" {
		t.Skip("the lab's Consul has no ACLs: scripts/lab up --acl")
	}
}

// tellConsul changes what the node's agent says of the node, and the tag of its services; the end of the test takes it back.
func (n *Node) tellConsul(t *testing.T, meta map[string]string, tag string) {
	t.Helper()
	text, err := json.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	n.Must(t, `cp /etc/consul.json /root/consul.json && python3 - <<'PYTHON' && systemctl kill -s KILL consul
import json
config = json.load(open("/etc/consul.json"))
config["node_meta"] = json.loads('`+string(text)+`')
for service in config["services"]:
    service["tags"] = ["`+tag+`"]
json.dump(config, open("/etc/consul.json", "w"))
PYTHON`)
	t.Cleanup(func() {
		n.Must(t, "mv /root/consul.json /etc/consul.json; systemctl kill -s KILL consul; CONSUL_HTTP_TOKEN="+n.lab.Tokens["management"]+" consul maint -disable")
	})
}

// awaitNodes waits until discovery finds the nodes: an agent's change reaches the catalog a moment after its reload.
func (s *Site) awaitNodes(t *testing.T, environment, names string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		ended := s.Run(t, "nodes", "-e", environment, "--role", "web")
		if ended.Status == 0 && ended.listed() == names {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not %s:\n%s", names, ended.Text)
		}
	}
}

// listed is the first column of what `rollpin nodes` prints.
func (e Ended) listed() string {
	var names []string
	for line := range strings.Lines(e.Out) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] != "NODE" {
			names = append(names, fields[0])
		}
	}
	return strings.Join(names, " ")
}

// consulAPI asks any Consul server that answers, with all rights.
func (l *Lab) consulAPI(method, path, body string) (string, error) {
	var failed error
	for number := 2; number <= 4; number++ {
		request, err := http.NewRequest(method, fmt.Sprintf("http://10.77.0.%d:8500/v1/%s", number, path), bytes.NewReader([]byte(body)))
		if err != nil {
			return "", err
		}
		request.Header.Set("X-Consul-Token", l.Tokens["management"])
		answer, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
		if err != nil {
			failed = err
			continue
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err == nil && answer.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %d: %s", answer.StatusCode, text)
		}
		return string(text), err
	}
	return "", failed
}

// token makes a token of its own policy, which the end of the test removes.
func (l *Lab) token(t *testing.T, rules string) string {
	t.Helper()
	make := func(kind, body string) (id, secret string) {
		var made struct{ ID, AccessorID, SecretID string }
		text, err := l.consulAPI(http.MethodPut, "acl/"+kind, body)
		if err == nil {
			err = json.Unmarshal([]byte(text), &made)
		}
		if err != nil {
			t.Fatal(err)
		}
		id = made.ID + made.AccessorID
		t.Cleanup(func() { l.consulAPI(http.MethodDelete, "acl/"+kind+"/"+id, "") })
		return id, made.SecretID
	}
	policy, _ := make("policy", fmt.Sprintf(`{"Name": "test-%s", "Rules": %q}`, rand.Text(), rules))
	_, secret := make("token", fmt.Sprintf(`{"Policies": [{"ID": %q}]}`, policy))
	return secret
}

// await waits until Consul's answer to a path has the text.
func (l *Lab) await(t *testing.T, what, path, text string) {
	t.Helper()
	l.awaitAnswer(t, what, path, func(answer string) bool { return strings.Contains(answer, text) })
}

// awaitAgents waits until no node of the lab is critical.
func (l *Lab) awaitAgents(t *testing.T) {
	t.Helper()
	l.awaitAnswer(t, "well agents", "health/state/critical?filter=CheckID==serfHealth", func(answer string) bool { return strings.TrimSpace(answer) == "[]" })
}

func (l *Lab) awaitAnswer(t *testing.T, what, path string, enough func(string) bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		answer, err := l.consulAPI(http.MethodGet, path, "")
		if err == nil && enough(answer) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s: %v %s", what, err, answer)
		}
	}
}

// leader is the number of the server that leads.
func (l *Lab) leader(t *testing.T) int {
	t.Helper()
	l.await(t, "a leader", "status/leader", ":8300")
	text, err := l.consulAPI(http.MethodGet, "status/leader", "")
	var address string
	if err == nil {
		err = json.Unmarshal([]byte(text), &address)
	}
	var last int
	if err == nil {
		_, err = fmt.Sscanf(address, "10.77.0.%d:8300", &last)
	}
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return last - 1
}
