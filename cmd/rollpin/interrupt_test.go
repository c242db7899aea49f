//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/fleettest"
)

// started is a fleet with rollpin.yaml, and a way to run the real binary in its directory.
type started struct {
	*fleettest.Fleet
	dir string
}

func startWorld(t *testing.T, names ...string) started {
	t.Helper()
	dir := t.TempDir()
	servers, err := fleettest.StartServers()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { servers.Close() })
	fleet, err := fleettest.Start(fleettest.Options{Dir: filepath.Join(dir, "fleet"), Names: names})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fleet.Close() })
	for _, n := range fleet.Nodes {
		if err := addUnits(n); err != nil {
			t.Fatal(err)
		}
	}
	base, err := os.ReadFile(filepath.Join("..", "..", "testdata", "rollpin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("$INDEX", servers.IndexURL, "$REGISTRY", servers.RegistryURL).Replace(string(base))
	if err := os.WriteFile(filepath.Join(dir, "rollpin.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return started{fleet, dir}
}

// rollpin runs the binary and calls each with every line of its progress; it returns the exit status and the last block.
func (s started) rollpin(t *testing.T, each func(line string, p *os.Process), args ...string) (status int, result string) {
	t.Helper()
	cmd := exec.Command("rollpin", args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(s.dir, "cache"), "XDG_STATE_HOME="+filepath.Join(s.dir, "state"))
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		told.WriteString(lines.Text() + "\n")
		if each != nil {
			each(lines.Text(), cmd.Process)
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	t.Logf("rollpin %s: status %d\n%s%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), told.String(), stdout.String())
	return cmd.ProcessState.ExitCode(), stdout.String()
}

func (s started) links() string {
	var out []string
	for _, n := range s.Nodes {
		target, _ := os.Readlink(filepath.Join(n.Home, "srv/api/current"))
		version, _, _ := strings.Cut(strings.TrimPrefix(target, "releases/"), "-")
		out = append(out, version)
	}
	return strings.Join(out, " ")
}

func TestInterruptedDeployment(t *testing.T) {
	if testing.Short() {
		t.Skip("installs real packages")
	}
	t.Parallel()
	for _, c := range []struct {
		name, when string
		signal     syscall.Signal
		status     int
		links      string
		says       string
	}{
		{"SIGTERM while staging", "plan:", syscall.SIGTERM, 143, "1.0.0 1.0.0", "no running service was touched"},
		{"SIGINT between waves", "web-1     healthy", syscall.SIGINT, 130, "1.2.0 1.0.0", "the fleet is mixed, interrupted by SIGINT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := startWorld(t, "web-1", "web-2")
			if status, _ := s.rollpin(t, nil, "deploy", "api==1.0.0", "-e", "production"); status != 0 {
				t.Fatal("the first deployment failed")
			}
			var sent time.Time
			status, result := s.rollpin(t, func(line string, p *os.Process) {
				if sent.IsZero() && strings.Contains(line, c.when) {
					sent = time.Now()
					if err := p.Signal(c.signal); err != nil {
						t.Error(err)
					}
				}
			}, "deploy", "api==1.2.0", "-e", "production", "--bake", "30s")
			if took := time.Since(sent); took > 6*time.Second {
				t.Errorf("it took %s to come to a safe end", took)
			}
			if status != c.status || !strings.Contains(result, c.says) {
				t.Errorf("status %d, want %d; the last block must say %q", status, c.status, c.says)
			}
			if s.links() != c.links {
				t.Errorf("the nodes run %s, want %s", s.links(), c.links)
			}
			// The next command is there to type, and works.
			if status, _ := s.rollpin(t, nil, "deploy", "api==1.2.0", "-e", "production"); status != 0 || s.links() != "1.2.0 1.2.0" {
				t.Errorf("going on: status %d, the nodes run %s", status, s.links())
			}
		})
	}
}

func TestInterruptInMidActivationPutsTheNodeBack(t *testing.T) {
	if testing.Short() {
		t.Skip("installs real packages")
	}
	t.Parallel()
	s := startWorld(t, "web-1", "web-2")
	s.rollpin(t, nil, "deploy", "api==1.0.0", "-e", "production")
	// 1.4.0 answers 500 and would be waited for until its deadline.
	sent := false
	status, result := s.rollpin(t, func(line string, p *os.Process) {
		if !sent && strings.Contains(line, "health …") {
			sent = true
			if err := p.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		}
	}, "deploy", "api==1.4.0", "-e", "production", "-v")
	if status != 143 || s.links() != "1.0.0 1.0.0" || strings.Contains(result, "mixed") {
		t.Errorf("status %d, the nodes run %s", status, s.links())
	}
	if status, _ := s.rollpin(t, nil, "status", "api", "-e", "production"); status != 0 {
		t.Error("the node that was put back is not well")
	}
}

func TestKilledBetweenSwitchAndHealth(t *testing.T) {
	if testing.Short() {
		t.Skip("installs real packages")
	}
	t.Parallel()
	s := startWorld(t, "web-1", "web-2")
	s.rollpin(t, nil, "deploy", "api==1.0.0", "-e", "production")
	killed := false
	s.rollpin(t, func(line string, p *os.Process) {
		if !killed && strings.Contains(line, "restart …") {
			killed = true
			if err := p.Kill(); err != nil {
				t.Error(err)
			}
		}
	}, "deploy", "api==1.2.0", "-e", "production", "-v")
	if s.links() != "1.2.0 1.0.0" {
		t.Fatalf("the nodes run %s", s.links())
	}
	if status, result := s.rollpin(t, nil, "status", "api", "-e", "production"); status != 4 || !strings.Contains(result, "mixed") {
		t.Errorf("status of a half done fleet: %d", status)
	}
	if status, _ := s.rollpin(t, nil, "rollback", "api", "-e", "production"); status != 0 || s.links() != "1.0.0 1.0.0" {
		t.Errorf("rollback of a killed deployment: status %d, the nodes run %s", status, s.links())
	}
}

func TestANodeLostWhileItsWaveBakesIsUnreachable(t *testing.T) {
	if testing.Short() {
		t.Skip("installs real packages")
	}
	t.Parallel()
	s := startWorld(t, "web-1", "web-2")
	s.rollpin(t, nil, "deploy", "api==1.0.0", "-e", "production")
	status, result := s.rollpin(t, func(line string, _ *os.Process) {
		if strings.Contains(line, "must stay healthy") {
			s.Nodes[0].SSH.Close()
		}
	}, "deploy", "api==1.2.0", "-e", "production", "--bake", "1m")
	if status != 4 || !strings.Contains(result, "unreachable web-1 at bake: ") || s.links() != "1.2.0 1.0.0" {
		t.Errorf("status %d, the nodes run %s", status, s.links())
	}
}
