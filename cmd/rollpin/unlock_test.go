package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/lock"
)

var (
	apiOnProduction = lock.Key{Environment: "production", Service: "api"}
	ann             = lock.Holder{Deployment: "20261121T101500-ABCD", Command: "deploy", User: "ann", Host: "build-1", PID: 42, Since: time.Now().Add(-time.Minute)}
)

// runs runs a command line without a terminal and compares its exit status; what it printed is returned.
func runs(t *testing.T, want int, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(args, strings.NewReader(""), &stdout, &stderr); got != want {
		t.Errorf("%v: exit %d, want %d\n%s%s", args, got, want, stdout.String(), stderr.String())
	}
	return stdout.String() + stderr.String()
}

func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestUnlockFile(t *testing.T) {
	t.Chdir(t.TempDir())
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	args := []string{"unlock", "api", "-e", "production", "--inventory", "nodes.yaml"}
	contains(t, runs(t, exitDone, args...), "nobody holds the lock of api on production")
	files := lock.Files{Dir: filepath.Join(state, "rollpin", "locks")}
	lease, err := files.Acquire(t.Context(), apiOnProduction, ann)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, runs(t, exitLocked, append(args, "--yes")...), "ann on build-1", "on build-1: kill 42")
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	contains(t, runs(t, exitDone, append(args, "-o", "json")...), `{"environment":"production","service":"api","broken":null}`)
}

func TestUnlockConsul(t *testing.T) {
	t.Chdir(t.TempDir())
	value, err := json.Marshal(ann)
	if err != nil {
		t.Fatal(err)
	}
	destroyed := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/v1/session/destroy/s-1":
			destroyed = true
			_, _ = w.Write([]byte("true"))
		case r.URL.Path == "/v1/kv/rollpin/production/api/lock" && !destroyed:
			_ = json.NewEncoder(w).Encode([]map[string]any{{"Key": "rollpin/production/api/lock", "Session": "s-1", "Value": value}})
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	t.Setenv("CONSUL_HTTP_ADDR", server.Listener.Addr().String())
	args := []string{"unlock", "api", "-e", "production"}
	contains(t, runs(t, exitUsage, args...), "deploy 20261121T101500-ABCD by ann on build-1", "starts no further node",
		"hint: rollpin unlock api -e production --yes")
	if destroyed {
		t.Error("broken although nobody said yes")
	}
	contains(t, runs(t, exitDone, append(args, "--yes")...), "the lock of api on production is broken: deploy 20261121T101500-ABCD by ann")
	contains(t, runs(t, exitDone, args...), "nobody holds the lock of api on production")
	server.Close()
	contains(t, runs(t, exitUntouched, args...), "looking at the lock of api on production", "lock: file")
}
