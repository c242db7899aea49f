package inventory

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	want := []Node{
		{Name: "api-2", Address: "10.0.0.2", Port: 2222, User: "deploy", Roles: []string{"api", "web"}, Environment: "production", Zone: "eu-1a",
			Meta: map[string]string{"rack": "7", "up": "true"}},
		{Name: "api-10", Address: "::1", Port: 22, Roles: []string{"api"}, Environment: "production", Dead: "burnt"},
	}
	for name, text := range map[string]string{
		"lists": `
nodes:
  - {name: api-10, address: "[::1]:22", roles: [api], environment: production, dead: burnt}
  - name: api-2
    address: 10.0.0.2:2222
    user: deploy
    roles: [api, web, api]
    environment: production
    zone: eu-1a
    meta: {rack: 7, up: true}
`,
		"strings and aliases": `
nodes:
  - {name: api-10, address: "[::1]:22", role: api, environment: &env production, zone: , dead: burnt}
  - {name: api-2, address: 10.0.0.2:2222, user: deploy, roles: "api, web", environment: *env, zone: eu-1a, meta: {rack: "7", up: "true", no: null}}
`,
		"JSON": `{"nodes": [
	{"name": "api-10", "address": "[::1]:22", "role": "api", "environment": "production", "zone": null, "dead": "burnt"},
	{"name": "api-2", "address": "10.0.0.2:2222", "user": "deploy", "roles": ["api", "web"], "environment": "production", "zone": "eu-1a",
	 "meta": {"rack": 7, "up": true}}]}`,
	} {
		got, err := decode("inventory", []byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// Python's json.dumps writes a rocket as two escapes, which YAML refuses.
func TestDecodeJSONSurrogates(t *testing.T) {
	got, err := decode("out", []byte(`{"nodes":[{"name":"a","address":"a","environment":"e","meta":{"note":"\ud83d\ude80","url":"https:\/\/x"}}]}`))
	if err != nil || got[0].Meta["note"] != "🚀" || got[0].Meta["url"] != "https://x" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDecodeProblems(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"all at once": {`
nodes:
  - {name: a, address: "10.0.0.1:99999", environment: production, rolls: [api]}
  - {name: -b, address: 10.0.0.2, roles: {x: y}}
  - just-a-name
  - {name: a b, address: "::1:22:x", environment: 'x,y', port: 22, role: a, roles: b}
`, `
f:3:24: nodes[0].address: port "99999" is not a number from 1 to 65535
f:3:67: nodes[0]: unknown key rolls; did you mean roles?
f:4:5: nodes[1].environment: is missing
f:4:12: nodes[1].name: "-b" starts with '-': it must start with a letter, a digit or _
f:4:42: nodes[1].roles: expected text, got a mapping
f:5:5: nodes[2]: expected a mapping, got "just-a-name"
f:6:12: nodes[3].name: "a b" has the character ' '; allowed are letters, digits, or . _ - : @ +
f:6:26: nodes[3].address: "::1:22:x" is neither HOST:PORT nor an IPv6 address; with a port, write [ADDRESS]:PORT
f:6:51: nodes[3].environment: "x,y" has a comma
f:6:58: nodes[3]: unknown key port: it belongs to the address, as in 10.0.0.1:2222
f:6:74: nodes[3].role: stands beside roles: use one of them`},
		"duplicates": {`
nodes:
  - {name: a, address: h1, role: api, environment: p}
  - {name: a, address: h2, role: api, environment: p}
  - {name: c, address: h1, role: "db, api", environment: p}
  - {name: d, address: h1, role: api, environment: staging}
`, `
f:4:12: nodes[1].name: the name a is that of nodes[0] (line 3) already
f:5:24: nodes[2].address: nodes[0] (line 3) has this address already, with the role api in p`},
		"JSON positions": {"{\"nodes\": [\n  {\"name\": \"a\",\n   \"adress\": \"h\", \"environment\": \"p\", \"name\": 1}]}", `
f:2:3: nodes[0].address: is missing
f:3:4: nodes[0]: unknown key adress; did you mean address?
f:3:39: nodes[0]: key name stands twice`},
		"no nodes key":  {"hosts: []", "\nf:1:1: unknown key hosts; known are nodes\nf:1:1: has no key nodes"},
		"a bare list":   {`[{"name": "a"}]`, "\nf:1:1: expected a mapping, got a list"},
		"nodes as text": {"nodes: web-1", "\nf:1:8: nodes: expected a list, got \"web-1\""},
		"empty":         {"# nothing\n", "\nf:1:1: is empty; expected nodes: [...]"},
		"two documents": {"nodes: []\n---\nnodes: []\n", "\nf:2:1: has more than one document"},
		"merge keys":    {"nodes:\n- {<<: {}, name: a, address: h, environment: p}", "\nf:2:4: nodes[0]: merge keys (<<) are not supported: write the keys out"},
		"broken YAML":   {"nodes:\n  - {name: a", "\nf: line 1: did not find expected ',' or '}'"},
		"null":          {"null", "\nf:1:1: expected a mapping, got nothing"},
	} {
		_, err := decode("f", []byte(c.text))
		var invalid *InvalidError
		if !errors.As(err, &invalid) || "\n"+err.Error() != c.want {
			t.Errorf("%s: got\n%v\nwant%s", name, err, c.want)
		}
	}
}

func TestFileSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	text := "nodes:\n- {name: b-10, address: h1, roles: api, environment: p}\n- {name: b-9, address: h2, roles: [api], environment: p}\n" +
		"- {name: c, address: h3, roles: [db], environment: p}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	nodes, err := FromFile(path).Nodes(t.Context(), Query{Environment: "p", Role: "api"})
	if err != nil || len(nodes) != 2 || nodes[0].Name != "b-9" {
		t.Errorf("got %v, %v", nodes, err)
	}
	if nodes, err = FromFile(path).Nodes(t.Context(), Query{Environment: "p"}); err != nil || len(nodes) != 3 {
		t.Errorf("every role: got %v, %v", nodes, err)
	}
	if _, err = FromFile(path+".not").Nodes(t.Context(), Query{}); !errors.As(err, new(*InvalidError)) || !strings.Contains(err.Error(), ".not: no such file") {
		t.Errorf("a missing file: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("nodes: [{name: a, address: 'h:22', roles: [x, y], environment: p, meta: {a: b}}]"))
	f.Add([]byte(`{"nodes":[{"name":"a","address":"[::1]:22","environment":"p","role":"x"}]}`))
	f.Add([]byte("nodes: &a [*a]"))
	f.Add([]byte("&a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		nodes, err := decode("f", data)
		if err != nil {
			return
		}
		var written bytes.Buffer
		if err := Write(&written, "json", nodes); err != nil {
			t.Fatal(err)
		}
		again, err := decode("written", written.Bytes())
		if err != nil || len(again) != len(nodes) {
			t.Errorf("what was written does not read back: %v\n%s", err, written.Bytes())
		}
	})
}
