package consul

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
)

type meta = map[string]string

func node(name, address string, m meta) api.CatalogRegistration {
	return api.CatalogRegistration{Node: name, Address: address, NodeMeta: m}
}

func service(on, id, name string, m meta, tags ...string) api.CatalogRegistration {
	return api.CatalogRegistration{Node: on, Address: "10.0.0.9", SkipNodeUpdate: true,
		Service: &api.AgentService{ID: id, Service: name, Tags: tags, Meta: m, Address: "172.17.0.2", Port: 80}}
}

func critical(on, id, output, notes string) api.CatalogRegistration {
	return api.CatalogRegistration{Node: on, Address: "10.0.0.9", SkipNodeUpdate: true,
		Check: &api.AgentCheck{CheckID: id, Name: id, Node: on, Status: api.HealthCritical, Output: output, Notes: notes}}
}

func source(t *testing.T, settings config.Consul) *Source {
	t.Helper()
	s, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMatchNode(t *testing.T) {
	onAgents(t, false, func(t *testing.T, address string) {
		scrub(t, address, "")
		register(t, address,
			node("api-10", "10.0.0.10", meta{"role": "web, api", "environment": "production", "zone": "eu-1b", "ssh_port": "2222", "ssh_user": "deploy"}),
			node("api-9", "10.0.0.9", meta{"role": "api", "environment": "production", "rack": "7"}),
			node("gw-1", "10.0.1.1", meta{"role": "api-gateway", "environment": "production"}),
			node("api-s", "10.0.2.1", meta{"role": "api", "environment": "staging"}),
			critical("api-9", "serfHealth", "Agent not live\n or unreachable", ""),
			critical("api-10", "_node_maintenance", "", "new disk"),
			critical("api-10", "service:api", "connection refused", ""),
		)
		s := source(t, config.Consul{})
		got, err := s.Nodes(t.Context(), inventory.Query{Environment: "production", Role: "api"})
		want := []inventory.Node{
			{Name: "api-9", Address: "10.0.0.9", Roles: []string{"api"}, Environment: "production", Meta: meta{"role": "api", "environment": "production",
				"rack": "7"}, Dead: "serfHealth is critical: Agent not live or unreachable"},
			{Name: "api-10", Address: "10.0.0.10", Port: 2222, User: "deploy", Roles: []string{"web", "api"}, Environment: "production", Zone: "eu-1b",
				Meta: meta{"role": "web, api", "environment": "production", "zone": "eu-1b", "ssh_port": "2222", "ssh_user": "deploy",
					"consul-maintenance": "new disk"}},
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
		expectNone(t, s, inventory.Query{Environment: "prodution", Role: "api"}, "did you mean production?", "rollpin nodes -e production")
		expectNone(t, s, inventory.Query{Environment: "production", Role: "wep"}, "did you mean web?", "rollpin nodes -e production")
		expectNone(t, s, inventory.Query{Environment: "staging", Role: "web"}, "with that role are in production", "rollpin nodes -e staging")
		expectNone(t, source(t, config.Consul{Keys: config.Keys{Environment: "env"}}), inventory.Query{Environment: "production"},
			`none has the metadata "env"`, `node_meta { env = "…" role = "…" }`)
	})
}

func expectNone(t *testing.T, s *Source, q inventory.Query, text, hint string) {
	t.Helper()
	_, err := s.Nodes(t.Context(), q)
	var none *inventory.NoNodesError
	if !errors.As(err, &none) {
		t.Errorf("%v: got %v", q, err)
		return
	}
	if !strings.Contains(none.Error(), text) || !strings.Contains(none.Hint(), hint) {
		t.Errorf("%v: got\n%v\n%s", q, none, none.Hint())
	}
}

func TestMatchService(t *testing.T) {
	onAgents(t, false, func(t *testing.T, address string) {
		scrub(t, address, "")
		register(t, address,
			node("n-2", "10.0.0.2", meta{"zone": "a", "ssh_user": "ops", "environment": "old"}),
			node("n-1", "10.0.0.1", nil),
			service("n-2", "api-a", "api", meta{"version": "1", "ssh_user": "mallory", "zone": "z"}, "production", "blue"),
			service("n-2", "api-b", "api", meta{"port": "2"}, "production"),
			service("n-1", "api-a", "api", nil, "staging"),
			service("n-1", "web", "web", nil, "production"),
		)
		s := source(t, config.Consul{Match: "service"})
		got, err := s.Nodes(t.Context(), inventory.Query{Environment: "production", Role: "api"})
		want := []inventory.Node{{Name: "n-2", Address: "10.0.0.2", User: "ops", Roles: []string{"api"}, Environment: "production", Zone: "a",
			Meta: meta{"zone": "a", "ssh_user": "ops", "environment": "old", "version": "1", "port": "2"}}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
		got, err = s.Nodes(t.Context(), inventory.Query{Environment: "production"})
		if err != nil || len(got) != 2 || got[0].Roles[0] != "web" || got[1].Roles[0] != "api" {
			t.Errorf("every role: got %+v, %v", got, err)
		}
		replaced := source(t, config.Consul{Match: "service", Service: "web", Tag: "production"})
		got, err = replaced.Nodes(t.Context(), inventory.Query{Environment: "p", Role: "front"})
		if err != nil || len(got) != 1 || got[0].Name != "n-1" || got[0].Roles[0] != "front" || got[0].Environment != "p" {
			t.Errorf("service and tag replaced: got %+v, %v", got, err)
		}
		expectNone(t, s, inventory.Query{Environment: "prod", Role: "api"}, "did you mean production?", "rollpin nodes -e production")
		expectNone(t, s, inventory.Query{Environment: "staging", Role: "web"}, "with that role are in production", "rollpin nodes -e staging")
		expectNone(t, s, inventory.Query{Environment: "production", Role: "../nodes"}, "no node has the role", "")
	})
}

func TestMatchFilter(t *testing.T) {
	scrub(t, startAgent(t, false), "")
	address := source(t, config.Consul{}).address
	register(t, address,
		node("a", "10.0.0.1", meta{"env": "production", "tier": "api"}),
		node("b", "10.0.0.2", meta{"env": "production", "tier": "web"}),
	)
	s := source(t, config.Consul{Match: "filter", Filter: `Meta.env == "$environment" and Meta.tier == $role`})
	got, err := s.Nodes(t.Context(), inventory.Query{Environment: "production", Role: "api"})
	if err != nil || len(got) != 1 || got[0].Name != "a" || got[0].Environment != "production" || got[0].Roles[0] != "api" {
		t.Errorf("got %+v, %v", got, err)
	}
	expectNone(t, s, inventory.Query{Environment: "production", Role: "db"}, `the filter Meta.env == "production" and Meta.tier == "db" fits none of the`,
		"consul catalog nodes -detailed -filter 'Meta.env")
	_, err = source(t, config.Consul{Match: "filter", Filter: `Meta.env = $environment`}).Nodes(t.Context(), inventory.Query{Environment: "p"})
	expectError(t, err, "the filter is refused", "correct discovery.consul.filter")
}

func TestExpand(t *testing.T) {
	q := inventory.Query{Environment: "production", Role: "api"}
	for filter, want := range map[string]string{
		`Meta.e == $environment and Meta.r == "$role"`: `Meta.e == "production" and Meta.r == "api"`,
		"Node matches `web$` and Meta.r == $role":      "Node matches `web$` and Meta.r == \"api\"",
	} {
		if got, err := expand(filter, q); err != nil || got != want || checkFilter(filter) != nil {
			t.Errorf("%s: got %s, %v", filter, got, err)
		}
	}
	for _, value := range []string{`api" or Node != "`, "api`", `api\`, "a\nb", ""} {
		if got, err := expand("Meta.r == $role", inventory.Query{Role: value}); err == nil {
			t.Errorf("%q: accepted as %s", value, got)
		}
	}
	for _, filter := range []string{"", " ", "Meta.e == $env", `Meta.r == "$Role"`} {
		if _, err := New(config.Consul{Match: "filter", Filter: filter}); err == nil {
			t.Errorf("%q: accepted", filter)
		}
	}
}

func TestACLs(t *testing.T) {
	onAgents(t, true, func(t *testing.T, address string) {
		scrub(t, address, "")
		register(t, address, node("a", "10.0.0.1", meta{"role": "api", "environment": "production"}))
		q := inventory.Query{Environment: "production", Role: "api"}
		expectNone(t, source(t, config.Consul{}), q, "has no nodes at all", "set CONSUL_HTTP_TOKEN")

		t.Setenv("CONSUL_HTTP_TOKEN", unknownToken)
		unknown := source(t, config.Consul{})
		_, err := unknown.Nodes(t.Context(), q)
		expectError(t, err, "reading the catalog: the token is unknown", "CONSUL_HTTP_TOKEN")
		if strings.Contains(err.Error()+unknown.String(), unknownToken) {
			t.Errorf("the token shows: %v", err)
		}

		t.Setenv("CONSUL_HTTP_TOKEN", managementToken)
		if nodes, err := source(t, config.Consul{}).Nodes(t.Context(), q); err != nil || len(nodes) != 1 {
			t.Errorf("got %v, %v", nodes, err)
		}
		expectNone(t, source(t, config.Consul{}), inventory.Query{Environment: "production", Role: "web"}, "roles there are api", "rollpin nodes -e production")
	})
}

// A token that sees a part of the catalog must not make a deployment to a part of the fleet look whole.
func TestHiddenNodes(t *testing.T) {
	address := startAgent(t, true)
	scrub(t, address, managementToken)
	for _, name := range []string{"seen", "hidden"} {
		register(t, address, node(name, "10.0.0.1", meta{"role": "api", "environment": "production"}))
	}
	client := newClient(t, address)
	if _, _, err := client.ACL().PolicyCreate(&api.ACLPolicy{Name: "part", Rules: `node "seen" { policy = "read" }`}, nil); err != nil {
		t.Fatal(err)
	}
	token, _, err := client.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{Name: "part"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONSUL_HTTP_TOKEN", token.SecretID)
	var warned []string
	s := source(t, config.Consul{})
	s.Warn = func(text string) { warned = append(warned, text) }
	nodes, err := s.Nodes(t.Context(), inventory.Query{Environment: "production", Role: "api"})
	if err != nil || len(nodes) != 1 || len(warned) != 1 || !strings.Contains(warned[0], "hides") {
		t.Errorf("got %v, %v, %v", nodes, err, warned)
	}
	expectNone(t, s, inventory.Query{Environment: "production", Role: "web"}, "", "the token needs: node_prefix")
}

func expectError(t *testing.T, err error, text, hint string) {
	t.Helper()
	var failed *Error
	if !errors.As(err, &failed) || !strings.Contains(failed.Error(), text) || !strings.Contains(failed.Hint(), hint) {
		t.Errorf("got %v\nwant %s\n%s", err, text, hint)
	}
}

func TestBadMetadata(t *testing.T) {
	server := httptest.NewServer(&fake{})
	defer server.Close()
	scrub(t, server.Listener.Addr().String(), "")
	production := meta{"environment": "production"}
	register(t, server.Listener.Addr().String(),
		node("a", "10.0.0.1", meta{"environment": "production", "ssh_port": "ssh"}),
		node("b", "10.0.0.2", meta{"environment": "production", "ssh_user": "-oProxyCommand=id"}),
		node("c d", "10.0.0.3", production), node("e", "$(id)", production),
	)
	_, err := source(t, config.Consul{}).Nodes(t.Context(), inventory.Query{Environment: "production"})
	for _, want := range []string{`node "a" in Consul at 127.0.0.1:`, `metadata ssh_port: port "ssh"`, `node "b"`, "metadata ssh_user", `node "c d"`, `node "e"`} {
		expectError(t, err, want, "node_meta")
	}
}

func TestFailures(t *testing.T) {
	answer := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, body, status) })
	}
	for name, c := range map[string]struct {
		handler    http.Handler
		scheme     string
		text, hint string
	}{
		"denied":             {answer(403, "Permission denied: token lacks permission 'node:read'"), "", "permission denied", `node_prefix "" { policy = "read" }`},
		"another server":     {answer(200, "<html>hello</html>"), "", "the answer is not Consul's", "CONSUL_HTTP_ADDR"},
		"unknown datacenter": {answer(500, "No path to datacenter"), "", `datacenter "eu" is unknown`, "consul catalog datacenters"},
		"long and dirty":     {answer(502, "\x1b[2J"+strings.Repeat("ä", 9999)), "", "status 502: [2Jää", ""},
		"plain, not TLS":     {answer(200, "[]"), "https://", "HTTP response to HTTPS client", "CONSUL_HTTP_SSL=false"},
	} {
		server := httptest.NewServer(c.handler)
		scrub(t, c.scheme+server.Listener.Addr().String(), "")
		_, err := source(t, config.Consul{Datacenter: "eu"}).Nodes(t.Context(), inventory.Query{})
		expectError(t, err, c.text, c.hint)
		if err != nil && (len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\x1b\n")) {
			t.Errorf("%s: %q", name, err)
		}
		server.Close()
	}
	server := httptest.NewTLSServer(answer(200, "[]"))
	defer server.Close()
	server.Config.ErrorLog = nil
	scrub(t, server.Listener.Addr().String(), "")
	_, err := source(t, config.Consul{}).Nodes(t.Context(), inventory.Query{})
	expectError(t, err, "HTTP request to an HTTPS server", "CONSUL_HTTP_SSL=true")
	scrub(t, "https://"+server.Listener.Addr().String(), "")
	_, err = source(t, config.Consul{}).Nodes(t.Context(), inventory.Query{})
	expectError(t, err, "x509:", "CONSUL_CACERT")
}

func TestUnreachable(t *testing.T) {
	address := "127.0.0.1:" + freePorts(t, 1)[0]
	scrub(t, address, "")
	_, err := source(t, config.Consul{}).Nodes(t.Context(), inventory.Query{})
	expectError(t, err, "Consul at "+address+": reading the catalog: dial tcp", "CONSUL_HTTP_ADDR, or name an inventory file")
}

func TestNew(t *testing.T) {
	scrub(t, "https://user:secret@consul:8501", "")
	if _, err := New(config.Consul{}); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "CONSUL_HTTP_AUTH") {
		t.Errorf("got %v", err)
	}
	scrub(t, "https://consul:8501", unknownToken)
	if got := source(t, config.Consul{Datacenter: "eu"}).String(); got != "Consul at consul:8501 (datacenter eu)" {
		t.Errorf("got %s", got)
	}
	if _, err := New(config.Consul{Match: "tag"}); err == nil || !strings.Contains(err.Error(), "node, service, filter") {
		t.Errorf("got %v", err)
	}
}

// Without a leader, discovery goes on with what a server knows, and says so once.
func TestNoLeader(t *testing.T) {
	for name, consul := range map[string]*fake{
		"told":      {leaderless: "No cluster leader"},
		"just dead": {leaderless: "rpc error getting client: failed to get conn: dial tcp 10.77.0.3:0->10.77.0.2:8300: connect: connection refused"},
		"silent":    {leaderless: "No cluster leader", silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			production := &api.Node{Node: "a", Address: "10.0.0.1", Meta: meta{"environment": "production"}}
			consul.nodes = map[string]*api.Node{"a": production}
			scrub(t, "127.0.0.1:8500", "")
			synctest.Test(t, func(t *testing.T) {
				s := source(t, config.Consul{})
				s.client = inMemory(t, consul)
				var warned []string
				s.Warn = func(text string) { warned = append(warned, text) }
				start := time.Now()
				nodes, err := s.Nodes(t.Context(), inventory.Query{Environment: "production"})
				if err != nil || len(nodes) != 1 {
					t.Fatalf("got %v, %v", nodes, err)
				}
				if len(warned) != 1 || !strings.Contains(warned[0], "no leader: the nodes are as one of its servers knew them 3s ago") {
					t.Errorf("got %q", warned)
				}
				if took := time.Since(start); took > patience {
					t.Errorf("took %s: the second request waited for a leader again", took)
				}
			})
		})
	}
}

// inMemory is a client whose connections are pipes, so that a test's clock is the bubble's.
func inMemory(t *testing.T, handler http.Handler) *api.Client {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go (&http.Server{Handler: handler}).Serve(&once{conn: server, closed: make(chan struct{})})
		return client, nil
	}}
	client, err := api.NewClient(&api.Config{HttpClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// once is a listener of one connection.
type once struct {
	conn   net.Conn
	closed chan struct{}
}

func (o *once) Accept() (net.Conn, error) {
	if conn := o.conn; conn != nil {
		o.conn = nil
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (o *once) Close() error   { return nil }
func (o *once) Addr() net.Addr { return &net.UnixAddr{} }

func TestCancel(t *testing.T) {
	consul := &fake{silent: true}
	server := httptest.NewServer(consul)
	defer server.Close()
	scrub(t, server.Listener.Addr().String(), "")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := source(t, config.Consul{}).Nodes(ctx, inventory.Query{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	consul.mu.Lock()
	defer consul.mu.Unlock()
	if len(consul.asked) != 1 {
		t.Errorf("asked %v after the context had ended", consul.asked)
	}
}

// Environments are selected by Consul, so that a large catalog does not travel; dead nodes by one request, however many nodes there are.
func TestRequests(t *testing.T) {
	consul := &fake{}
	server := httptest.NewServer(consul)
	defer server.Close()
	scrub(t, server.Listener.Addr().String(), "")
	for _, name := range []string{"a", "b", "c"} {
		register(t, server.Listener.Addr().String(), node(name, "10.0.0.1", meta{"environment": "production", "role": "api"}))
	}
	consul.asked = nil
	nodes, err := source(t, config.Consul{Datacenter: "eu"}).Nodes(t.Context(), inventory.Query{Environment: "production", Role: "api"})
	if err != nil || len(nodes) != 3 || len(consul.asked) != 2 {
		t.Fatalf("got %v, %v, asked %v", nodes, err, consul.asked)
	}
	if q := consul.asked[0].Query(); q.Get("node-meta") != "environment:production" || q.Get("dc") != "eu" {
		t.Errorf("asked %v", q)
	}
	if q := consul.asked[1].Query(); q.Get("filter") != `CheckID == "serfHealth" or CheckID == "_node_maintenance"` {
		t.Errorf("asked %v", q)
	}
}
