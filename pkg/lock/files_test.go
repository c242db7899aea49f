package lock

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	api = Key{Environment: "production", Service: "api"}
	ann = Holder{Deployment: "20261121T101500-ABCD", Command: "deploy", User: "ann", Host: "build-1", PID: 42, Reason: "the hotfix", CI: "https://ci/42",
		Since: time.Date(2026, 11, 21, 10, 15, 0, 0, time.UTC)}
)

func TestFiles(t *testing.T) {
	files := Files{Dir: filepath.Join(t.TempDir(), "locks")}
	if held, err := files.Holder(t.Context(), api); held != nil || err != nil {
		t.Errorf("before the first deployment: %v, %v", held, err)
	}
	lease, err := files.Acquire(t.Context(), api, ann)
	if err != nil {
		t.Fatal(err)
	}
	_, err = files.Acquire(t.Context(), api, Holder{User: "bob"})
	var held *HeldError
	if !errors.As(err, &held) || !same(held.Holder, ann) || held.Held < time.Minute {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"api on production", "ann on build-1", "20261121T101500-ABCD", "https://ci/42", "the hotfix", "since 2026-11-21 10:15:00 UTC"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %s", want, err)
		}
	}
	if !strings.Contains(held.Hint(), "rollpin unlock api -e production") || !strings.Contains(held.Hint(), "--wait 10m") {
		t.Errorf("got %s", held.Hint())
	}
	if held, err := files.Holder(t.Context(), api); err != nil || held == nil || held.Holder.PID != 42 {
		t.Errorf("got %v, %v", held, err)
	}
	other, err := files.Acquire(t.Context(), Key{"staging", "api"}, ann)
	if err != nil {
		t.Errorf("another environment: %v", err)
	}
	if err := errors.Join(lease.Release(t.Context()), other.Release(t.Context())); err != nil {
		t.Error(err)
	}
	if held, err := files.Holder(t.Context(), api); held != nil || err != nil {
		t.Errorf("after the release: %v, %v", held, err)
	}
	if lease, err = files.Acquire(t.Context(), api, ann); err != nil {
		t.Errorf("after the release: %v", err)
	}
	_ = lease.Release(t.Context())
}

// Who removes the file of a lock by hand does not let two in that wait for the same file.
func TestRemovedFile(t *testing.T) {
	files := Files{Dir: t.TempDir()}
	lease, err := files.Acquire(t.Context(), api, ann)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := os.Open(files.path(api))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if err := os.Remove(files.path(api)); err != nil {
		t.Fatal(err)
	}
	_ = lease.Release(t.Context())
	if isAt(files.path(api), opened) {
		t.Error("a file that was removed counts as the lock's")
	}
}

func TestForeignFile(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may open every file")
	}
	files := Files{Dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(files.Dir, "production"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files.path(api), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	_, err := files.Acquire(t.Context(), api, ann)
	var foreign *ForeignError
	if !errors.As(err, &foreign) || !strings.Contains(foreign.Hint(), "another user") {
		t.Errorf("got %v", err)
	}
}

func TestPath(t *testing.T) {
	for key, want := range map[Key]string{
		api:             "production/api",
		{"..", "a/b"}:   "%2E%2E/a%2Fb",
		{"a..b", "ä %"}: "a..b/%C3%A4%20%25",
		{"", "."}:       "/%2E",
	} {
		if got := key.Path(); got != want {
			t.Errorf("%q: got %s", key, got)
		}
	}
}

// A lock is free as soon as its process is gone, and the file still names the dead until then.
func TestLockDiesWithItsProcess(t *testing.T) {
	const variable = "ROLLPIN_TEST_LOCKS"
	if dir := os.Getenv(variable); dir != "" {
		if _, err := (Files{Dir: dir}).Acquire(t.Context(), api, ann); err != nil {
			t.Fatal(err)
		}
		fmt.Println("locked")
		time.Sleep(time.Minute)
		return
	}
	files := Files{Dir: t.TempDir()}
	child := exec.Command(os.Args[0], "-test.run=^TestLockDiesWithItsProcess$")
	child.Env = append(os.Environ(), variable+"="+files.Dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "locked\n" {
		t.Errorf("got %q, %v", line, err)
	}
	_, err = files.Acquire(t.Context(), api, Holder{User: "bob"})
	var held *HeldError
	if !errors.As(err, &held) || held.Holder.User != "ann" {
		t.Errorf("got %v", err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	lease, err := files.Acquire(t.Context(), api, Holder{User: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	_ = lease.Release(t.Context())
}
