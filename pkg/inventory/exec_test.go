//go:build unix

package inventory

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script makes a program of sh text.
func script(t *testing.T, body string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nodes")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

func TestExec(t *testing.T) {
	body := `printf '{"nodes": [{"name": "%s-%s", "address": "%s", "role": "api", "environment": "p"}]}' "$ROLLPIN_ENVIRONMENT" "$ROLLPIN_ROLE" "$1"`
	argv := append(script(t, body), "h:22")
	nodes, err := FromExec(argv).Nodes(t.Context(), Query{Environment: "p", Role: "api"})
	if err != nil || len(nodes) != 1 || nodes[0].Name != "p-api" || nodes[0].Port != 22 {
		t.Fatalf("got %v, %v", nodes, err)
	}
	// What a program prints is selected from again: nodes of another environment are never deployed to.
	var none *NoNodesError
	if _, err := FromExec(argv).Nodes(t.Context(), Query{Environment: "staging", Role: "api"}); !errors.As(err, &none) {
		t.Errorf("another environment: %v", err)
	}
}

func TestExecFailures(t *testing.T) {
	noShebang := filepath.Join(t.TempDir(), "plain")
	notRunnable := filepath.Join(t.TempDir(), "data")
	if err := errors.Join(os.WriteFile(noShebang, []byte("\x01\x02"), 0o700), os.WriteFile(notRunnable, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		argv       []string
		want, hint string
	}{
		"exit status": {script(t, "printf 'token \\033[31mexpired\\n' >&2; exit 3"), "exit status 3\ntoken [31mexpired", ""},
		"long stderr": {script(t, "i=0; while [ $i -lt 9999 ]; do echo noise; i=$((i+1)); done >&2; echo why >&2; exit 1"), "noise\nwhy", ""},
		"nothing":     {script(t, "true"), "printed nothing", ""},
		"endless":     {script(t, "while :; do printf '%65536s'; done"), "printed more than 16 MiB", ""},
		"no program":  {[]string{"./is-not-here"}, "no such file", "discovery.exec names a program"},
		"not in PATH": {[]string{"rollpin-is-not-in-path"}, "not found", "discovery.exec names a program"},
		"no argv":     {nil, "no program is named", ""},
		"permission":  {[]string{notRunnable}, "permission denied", "chmod +x "},
		"no shebang":  {[]string{noShebang}, "exec format error", "#!/usr/bin/env python3"},
	} {
		_, err := FromExec(c.argv).Nodes(t.Context(), Query{})
		var failed *ExecError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.want) || !strings.Contains(failed.Hint(), c.hint) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if len(err.Error()) > stderrTail+500 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
	_, err := FromExec(script(t, "echo '{'")).Nodes(t.Context(), Query{})
	var invalid *InvalidError
	if !errors.As(err, &invalid) || !strings.HasPrefix(err.Error(), "output of ") {
		t.Errorf("broken output: %v", err)
	}
}

// A cancelled run ends the program and what it started.
func TestExecCancel(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "held")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	argv := append(script(t, `exec 3>"$1"; sleep 60 & echo >&3; wait`), pipe)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := FromExec(argv).Nodes(ctx, Query{})
		ended <- err
	}()
	held, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := held.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// The pipe ends when the last process that holds it does: sleep, in its own time or because it was killed.
	if _, err := io.ReadAll(held); err != nil || time.Since(start) > 30*time.Second {
		t.Errorf("what the program started lived on: %v after %s", err, time.Since(start))
	}
}

func TestExecDeadline(t *testing.T) {
	_, err := program{script(t, "sleep 60"), 50 * time.Millisecond}.Nodes(t.Context(), Query{})
	if err == nil || !strings.Contains(err.Error(), "ran longer than 50ms") {
		t.Errorf("got %v", err)
	}
}
