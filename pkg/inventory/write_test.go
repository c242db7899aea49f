package inventory

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func TestWrite(t *testing.T) {
	nodes := []Node{
		{Name: "web-1", Address: "10.0.0.1", Roles: []string{"api", "web"}, Environment: "production", Zone: "eu-1a",
			Meta: map[string]string{"consul-version": "1.22.5", "script-exec": "rm -rf /", "note": "{{ lookup('pipe', 'id') }} <b>"}},
		{Name: "web-2", Address: "::1", Port: 2222, User: "deploy", Roles: []string{"web"}, Environment: "production", Zone: "eu-1b"},
		{Name: "web-10", Address: "web-10.example.com", Port: 22, Roles: []string{"web"}, Environment: "production",
			Dead: "serfHealth is critical: Agent not live or unreachable"},
	}
	for _, format := range []string{"table", "json", "ansible", "rundeck"} {
		var got bytes.Buffer
		if err := Write(&got, format, nodes); err != nil {
			t.Fatal(err)
		}
		golden(t, format, got.String())
	}
	var written bytes.Buffer
	if err := Write(&written, "json", nodes); err != nil {
		t.Fatal(err)
	}
	again, err := decode("written", written.Bytes())
	if err != nil || !reflect.DeepEqual(again, nodes) {
		t.Errorf("the JSON is no inventory file of the same nodes: %+v, %v", again, err)
	}
	if err := Write(&written, "xml", nodes); err == nil || !strings.Contains(err.Error(), "use table, json") {
		t.Errorf("an unknown format: %v", err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// Whatever Consul holds, a table has one line for each node and steers no terminal.
func TestTableIsClean(t *testing.T) {
	var got bytes.Buffer
	nodes := []Node{{Name: "a", Address: "h", Zone: "x\ty\x1b[2J\nz", Dead: "line 1\nline 2\t3"}}
	if err := Write(&got, "table", nodes); err != nil {
		t.Fatal(err)
	}
	if want := "NODE  ADDRESS  ZONE      DEAD\na     h        x y[2J z  line 1 line 2 3\n\n1 node, 1 dead\n"; got.String() != want {
		t.Errorf("got %q", got.String())
	}
}
