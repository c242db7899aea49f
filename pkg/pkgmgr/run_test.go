package pkgmgr

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rollpin/rollpin/pkg/shell"
)

// testNode runs scripts as a node would: with a home and a temporary folder of its own, and none of this machine's settings.
type testNode struct {
	t                *testing.T
	home, tmp, space string
	environ          []string
	// seen is all that any script printed.
	seen strings.Builder
}

func newNode(t *testing.T, environ ...string) *testNode {
	t.Helper()
	n := &testNode{t: t, home: t.TempDir(), tmp: t.TempDir(), space: t.TempDir()}
	n.environ = append([]string{"HOME=" + n.home, "TMPDIR=" + n.tmp, "PATH=" + os.Getenv("PATH"), "LANG=C"}, environ...)
	return n
}

// run ends with the facts that were printed, and the reason if the script failed.
func (n *testNode) run(s shell.Script) (shell.Facts, error) {
	n.t.Helper()
	return n.runContext(n.t.Context(), s)
}

// runContext ends the script and all that it started, by SIGTERM, when ctx ends.
func (n *testNode) runContext(ctx context.Context, s shell.Script) (shell.Facts, error) {
	n.t.Helper()
	text, err := s.Text()
	if err != nil {
		n.t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "sh", "-c", text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = n.environ, n.home, &stdout, &stderr
	err = cmd.Run()
	n.seen.WriteString(stdout.String() + stderr.String())
	result := shell.Result{Stdout: stdout.String(), Stderr: stderr.String()}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = &shell.ExitError{Script: s.Name, Status: exit.ExitCode(), Result: result}
	}
	left, _ := os.ReadDir(n.tmp)
	if len(left) > 0 {
		n.t.Errorf("%s left %s in the temporary folder", s.Name, left[0].Name())
	}
	return result.Facts(), err
}

// must is run for scripts that have to work.
func (n *testNode) must(s shell.Script) shell.Facts {
	n.t.Helper()
	facts, err := n.run(s)
	if err != nil {
		n.t.Fatalf("%s: %v\n%s", s.Name, err, n.seen.String())
	}
	return facts
}

// refuses is run for scripts that have to fail with a reason and a hint that contain the given words.
func (n *testNode) refuses(s shell.Script, reason, hint string) {
	n.t.Helper()
	facts, err := n.run(s)
	if err == nil {
		n.t.Fatalf("%s worked", s.Name)
	}
	if !strings.Contains(facts.Get("error"), reason) {
		n.t.Errorf("%s: the reason %q does not contain %q\n%s", s.Name, facts.Get("error"), reason, n.seen.String())
	}
	if !strings.Contains(facts.Get("hint"), hint) {
		n.t.Errorf("%s: the hint %q does not contain %q", s.Name, facts.Get("hint"), hint)
	}
}

// dir is where a release goes.
func (n *testNode) dir(name string) string { return filepath.Join(n.space, "releases", name) }

// write puts a file below the home folder.
func (n *testNode) write(name, text string) {
	n.t.Helper()
	path := filepath.Join(n.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// hides checks that a secret was not printed and is in no file.
func (n *testNode) hides(secret string) {
	n.t.Helper()
	if strings.Contains(n.seen.String(), secret) {
		n.t.Errorf("%q was printed:\n%s", secret, n.seen.String())
	}
	for _, root := range []string{n.home, n.tmp, n.space} {
		filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			if content, _ := os.ReadFile(path); bytes.Contains(content, []byte(secret)) {
				n.t.Errorf("%q is in %s", secret, path)
			}
			return nil
		})
	}
}

// serve answers on loopback until the test ends.
func serve(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// watchArguments looks at the command lines of all processes while an index is being asked, which is when the tools run.
func watchArguments(t *testing.T, secret string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, line := range lines {
			// The test's own sh has the script as an argument; over SSH it is read from standard input.
			if arguments, _ := os.ReadFile(line); bytes.Contains(arguments, []byte(secret)) && !bytes.HasPrefix(arguments, []byte("sh\x00-c\x00")) {
				t.Errorf("%q is in the arguments %q", secret, arguments)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// installs marks a test that -short leaves out, because it installs real packages again and again. One test for each manager stays.
func installs(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("installs real packages")
	}
}

func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s here", program)
		}
	}
}
