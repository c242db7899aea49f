package consul

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	managementToken = "5ec2e700-0000-4000-8000-000000000001"
	unknownToken    = "5ec2e700-0000-4000-8000-00000000ffff"
)

// scrub keeps the caller's own Consul out of the tests.
func scrub(t *testing.T, address, token string) {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "CONSUL_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("CONSUL_HTTP_ADDR", address)
	t.Setenv("CONSUL_HTTP_TOKEN", token)
}

// onAgents runs a test against the fake, and against a real agent if there is a binary: in PATH, or named by ROLLPIN_TEST_CONSUL.
func onAgents(t *testing.T, acls bool, test func(t *testing.T, address string)) {
	t.Run("fake", func(t *testing.T) {
		server := httptest.NewServer(&fake{acls: acls})
		t.Cleanup(server.Close)
		test(t, server.Listener.Addr().String())
	})
	t.Run("real", func(t *testing.T) {
		test(t, startAgent(t, acls))
	})
}

// startAgent starts a real agent on free ports of loopback, with more arguments if need be; the test ends it.
func startAgent(t *testing.T, acls bool, more ...string) string {
	t.Helper()
	binary := os.Getenv("ROLLPIN_TEST_CONSUL")
	if binary == "" {
		var err error
		if binary, err = exec.LookPath("consul"); err != nil {
			t.Skip("no consul in PATH, and ROLLPIN_TEST_CONSUL is not set")
		}
	}
	ports := freePorts(t, 4)
	arguments := []string{"agent", "-dev", "-node", "server", "-bind", "127.0.0.1", "-client", "127.0.0.1", "-dns-port=-1", "-grpc-port=-1",
		"-grpc-tls-port=-1", "-http-port", ports[0], "-server-port", ports[1], "-serf-lan-port", ports[2], "-serf-wan-port", ports[3]}
	arguments = append(arguments, more...)
	if acls {
		path := filepath.Join(t.TempDir(), "acl.hcl")
		text := fmt.Sprintf("acl { enabled = true default_policy = \"deny\" tokens { initial_management = %q } }", managementToken)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, "-config-file", path)
	}
	var log bytes.Buffer
	agent := exec.Command(binary, arguments...)
	agent.Stdout, agent.Stderr = &log, &log
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		agent.Process.Kill()
		agent.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	address := "127.0.0.1:" + ports[0]
	awaitCatalog(t, address)
	return address
}

// awaitCatalog waits until the agent's own node is in its catalog.
func awaitCatalog(t *testing.T, address string) {
	t.Helper()
	client := newClient(t, address)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if nodes, _, err := client.Catalog().Nodes(nil); err == nil && len(nodes) > 0 {
			return
		}
	}
	t.Fatal("the agent did not come up")
}

func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ports = append(ports, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	}
	return ports
}

func newClient(t *testing.T, address string) *api.Client {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: address, Token: managementToken})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// register puts nodes, services and checks into the catalog.
func register(t *testing.T, address string, registrations ...api.CatalogRegistration) {
	t.Helper()
	client := newClient(t, address)
	for _, r := range registrations {
		if _, err := client.Catalog().Register(&r, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// fake answers the few requests that rollpin makes as Consul does, but for filters, which it takes down and ignores.
type fake struct {
	acls bool
	store
	// leaderless makes it answer stale requests alone, and others with this; silent makes it not answer them at all.
	leaderless string
	silent     bool

	mu      sync.Mutex
	nodes   map[string]*api.Node
	entries []*api.CatalogService
	checks  []*api.HealthCheck
	// asked are the requests so far.
	asked []*url.URL
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, stale := r.URL.Query()["stale"]
	f.mu.Lock()
	f.asked = append(f.asked, r.URL)
	silent := f.silent
	f.mu.Unlock()
	if silent && !stale {
		io.Copy(io.Discard, r.Body) // before its end, the server does not notice that the client has gone
		<-r.Context().Done()
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	token := r.Header.Get("X-Consul-Token")
	policy := "allow"
	if f.acls {
		policy = "deny"
	}
	for key, value := range map[string]string{"X-Consul-Default-ACL-Policy": policy, "X-Consul-Index": "18", "X-Consul-LastContact": "3000",
		"X-Consul-KnownLeader": strconv.FormatBool(f.leaderless == ""), "Content-Type": "application/json"} {
		w.Header().Set(key, value)
	}
	switch {
	case f.leaderless != "" && !stale:
		http.Error(w, f.leaderless, http.StatusInternalServerError)
	case f.acls && token != "" && token != managementToken:
		http.Error(w, "ACL not found", http.StatusForbidden)
	case strings.HasPrefix(r.URL.Path, "/v1/session/") || strings.HasPrefix(r.URL.Path, "/v1/kv/") || r.URL.Path == "/v1/txn":
		f.store.serve(w, r)
	default:
		json.NewEncoder(w).Encode(f.answer(r, f.acls && token == ""))
	}
}

func (f *fake) answer(r *http.Request, hide bool) any {
	nodes, services := []*api.Node{}, []*api.CatalogService{}
	tags, checks := map[string][]string{}, []*api.HealthCheck{}
	service, isService := strings.CutPrefix(r.URL.Path, "/v1/catalog/service/")
	switch {
	case r.URL.Path == "/v1/catalog/register":
		return f.register(r)
	case r.URL.Path == "/v1/catalog/nodes":
		for _, name := range slices.Sorted(maps.Keys(f.nodes)) {
			if !hide && hasMeta(f.nodes[name].Meta, r.URL.Query()["node-meta"]) {
				nodes = append(nodes, f.nodes[name])
			}
		}
		return nodes
	case r.URL.Path == "/v1/catalog/services":
		for _, e := range f.entries {
			tags[e.ServiceName] = append(tags[e.ServiceName], e.ServiceTags...)
		}
		return tags
	case isService:
		for _, e := range f.entries {
			tag := r.URL.Query().Get("tag")
			if !hide && strings.EqualFold(e.ServiceName, service) && (tag == "" || slices.Contains(e.ServiceTags, tag)) {
				services = append(services, e)
			}
		}
		return services
	case r.URL.Path == "/v1/health/state/critical":
		for _, c := range f.checks {
			if !hide && c.Status == api.HealthCritical {
				checks = append(checks, c)
			}
		}
		return checks
	}
	return nil
}

func hasMeta(meta map[string]string, wanted []string) bool {
	for _, pair := range wanted {
		if key, value, _ := strings.Cut(pair, ":"); meta[key] != value {
			return false
		}
	}
	return true
}

func (f *fake) register(r *http.Request) bool {
	var in api.CatalogRegistration
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		return false
	}
	if f.nodes == nil {
		f.nodes = map[string]*api.Node{"server": {Node: "server", Address: "127.0.0.1", Meta: map[string]string{"consul-version": "1.22.5"}}}
	}
	if f.nodes[in.Node] == nil || !in.SkipNodeUpdate {
		f.nodes[in.Node] = &api.Node{Node: in.Node, Address: in.Address, Meta: in.NodeMeta}
	}
	node := f.nodes[in.Node]
	if in.Service != nil {
		f.entries = append(f.entries, &api.CatalogService{Node: node.Node, Address: node.Address, NodeMeta: node.Meta, ServiceID: in.Service.ID,
			ServiceName: in.Service.Service, ServiceAddress: in.Service.Address, ServiceTags: in.Service.Tags, ServiceMeta: in.Service.Meta})
	}
	if in.Check != nil {
		f.checks = append(f.checks, &api.HealthCheck{Node: in.Node, CheckID: in.Check.CheckID, Status: in.Check.Status, Output: in.Check.Output,
			Notes: in.Check.Notes})
	}
	return true
}
