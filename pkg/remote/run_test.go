package remote

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/fleettest"
	"github.com/rollpin/rollpin/pkg/shell"
)

func TestRun(t *testing.T) {
	w := newWorld(t)
	server := w.server(fleettest.SSHConfig{})
	node := w.dialer().Node(nodeOf("web-1", server.Addr()))
	result, err := node.Run(within(t, 10*time.Second), shell.Script{
		Name: "greet", Vars: []shell.Var{{Name: "v", Value: "it's $HOME\n!"}}, Args: []string{"a b"},
		Body: "cat\nfact v \"$v\"; fact arg \"$1\"\nwait\necho oops >&2",
	})
	if err != nil {
		t.Fatal(err)
	}
	if result.Facts().Get("arg") != "a b" || !strings.Contains(result.Stdout, "::v it's $HOME\n!\n") || result.Stderr != "oops\n" || result.Took <= 0 {
		t.Errorf("got %+v", result)
	}
	for range 3 {
		if _, err := node.Run(t.Context(), script("true")); err != nil {
			t.Fatal(err)
		}
	}
	if server.Logins() != 1 || server.Commands() != 4 {
		t.Errorf("%d log-ins and %d commands, want one connection for four scripts", server.Logins(), server.Commands())
	}
}

func TestExitStatusAndSignal(t *testing.T) {
	w := newWorld(t)
	node := w.dialer().Node(nodeOf("web-1", w.server(fleettest.SSHConfig{}).Addr()))
	for body, want := range map[string]shell.ExitError{
		"echo out; exit 7":      {Status: 7},
		"die 'no space'":        {Status: 1},
		"kill -TERM $$":         {Status: -1, Signal: "TERM"},
		"if then":               {Status: 2},
		"exit 97 # not partial": {Status: 97},
	} {
		_, err := node.Run(within(t, 10*time.Second), script(body))
		var exit *shell.ExitError
		if !errors.As(err, &exit) || exit.Status != want.Status || exit.Signal != want.Signal {
			t.Errorf("%s: got %#v", body, err)
		}
	}
}

// A script must survive what can stand before it: the command line is read by the user's log-in shell.
func TestBootstrapFitsEveryLoginShell(t *testing.T) {
	if strings.ContainsAny(bootstrap, "'\\\n!") {
		t.Error("the bootstrap holds a character that some shell reads in single quotes")
	}
}

// Cut after any byte, a script does nothing at all.
func TestScriptThatArrivedInPartNeverRuns(t *testing.T) {
	dir := t.TempDir()
	text := "touch '" + dir + "/ran'\n#NONCE\n"
	for cut := range len(text) - 1 {
		if status, _ := runLocally(t, strings.ReplaceAll(bootstrap, "\n", ""), text[:cut]); status == 0 {
			t.Fatalf("%q ran", text[:cut])
		}
		if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
			t.Fatalf("%q did something", text[:cut])
		}
	}
	if status, _ := runLocally(t, bootstrap, text); status != 0 {
		t.Fatalf("the whole script ended with %d", status)
	}
}

func TestSecretsStayOutOfEverything(t *testing.T) {
	w := newWorld(t)
	server := w.server(fleettest.SSHConfig{})
	node := w.dialer().Node(nodeOf("web-1", server.Addr()))
	s := script(`
		printf '%s' "$token" | cut -c1-4 | tr -d '\n'
		printf '%s\n' "$token" "x${token}y"
		echo "$token" >&2
		env | grep -c sesame | facts environ
		exit 3`)
	s.Vars = []shell.Var{{Name: "token", Value: "open-sesame-1234", Secret: true}}
	result, err := node.Run(within(t, 10*time.Second), s)
	var exit *shell.ExitError
	if !errors.As(err, &exit) || exit.Status != 3 {
		t.Fatal(err)
	}
	if strings.Contains(result.Stdout+result.Stderr+exit.Result.Stdout+err.Error(), "sesame") {
		t.Errorf("the secret shows in %q, %q", result.Stdout, result.Stderr)
	}
	contains(t, result.Stdout, "***\nx***y\n")
	contains(t, result.Stderr, "***\n")
	if seen := result.Facts().Get("environ"); seen != "0" {
		t.Errorf("the secret is in the environment of %s commands", seen)
	}
}

func TestSecretsStayOutOfProcessLists(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	w := newWorld(t)
	dir := t.TempDir()
	node := w.dialer().Node(nodeOf("web-1", w.server(fleettest.SSHConfig{Dir: dir}).Addr()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		s := script("cat /dev/null; : >up; sleep 600")
		s.Vars = []shell.Var{{Name: "token", Value: "open-sesame-5678", Secret: true}}
		_, err := node.Run(ctx, s)
		done <- err
	}()
	waitForFile(t, filepath.Join(dir, "up"))
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(processes) < 2 {
		t.Fatalf("no processes seen: %v", err)
	}
	for _, process := range processes {
		for _, name := range []string{"cmdline", "environ"} {
			text, _ := os.ReadFile(filepath.Join(process, name))
			if strings.Contains(string(text), "open-sesame-5678") && filepath.Base(process) != strconv.Itoa(os.Getpid()) {
				t.Errorf("%s/%s shows the secret", process, name)
			}
		}
	}
	cancel()
	<-done
}

func TestOutputIsBounded(t *testing.T) {
	w := newWorld(t)
	node := w.dialer().Node(nodeOf("web-1", w.server(fleettest.SSHConfig{}).Addr()))
	_, err := node.Run(within(t, 30*time.Second), script("echo begin; yes"))
	var much *OutputError
	if !errors.As(err, &much) {
		t.Errorf("endless output ended with %v", err)
	}
	result, err := node.Run(within(t, 30*time.Second), script("echo first >&2; yes | head -c 1000000 >&2; echo last >&2"))
	if err != nil || len(result.Stderr) > 65<<10 || !strings.HasPrefix(result.Stderr, "first\n") || !strings.HasSuffix(result.Stderr, "last\n") {
		t.Errorf("kept %d bytes of stderr, %v", len(result.Stderr), err)
	}
}

func TestCancelKillsTheScript(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	server := w.server(fleettest.SSHConfig{Dir: dir})
	node := w.dialer().Node(nodeOf("web-1", server.Addr()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := node.Run(ctx, script("echo early; echo $$ >pid.tmp; mv pid.tmp pid; trap '' HUP TERM; sleep 600"))
		done <- err
	}()
	pid := strings.TrimSpace(waitForFile(t, filepath.Join(dir, "pid")))
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(time.Second):
		t.Error("a cancelled script still holds its caller after a second")
	}
	eventually(t, "the script is dead", func() bool { return !alive(pid) })
	if _, err := node.Run(within(t, 5*time.Second), script("true")); err != nil || server.Logins() != 1 {
		t.Errorf("the connection did not outlive the cancelled script: %v, %d log-ins", err, server.Logins())
	}
}

func TestCancelOnAFrozenServer(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	server := w.server(fleettest.SSHConfig{Dir: dir})
	node := w.dialer().Node(nodeOf("web-1", server.Addr()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() {
		_, err := node.Run(ctx, script(": >up; sleep 600"))
		done <- err
	}()
	waitForFile(t, filepath.Join(dir, "up"))
	server.Freeze()
	go func() {
		_, err := node.Run(ctx, script("true")) // waits for a session
		done <- err
	}()
	cancel()
	late := time.After(time.Second)
	for range 2 {
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
		case <-late:
			t.Fatal("a frozen server holds its caller after a second")
		}
	}
	server.Thaw()
	if _, err := node.Run(within(t, 5*time.Second), script("true")); err != nil || server.Logins() != 2 {
		t.Errorf("after the freeze: %v, %d log-ins, want a second connection", err, server.Logins())
	}
}

func TestKeepAliveEndsADeadConnection(t *testing.T) {
	w := newWorld(t)
	w.options.SSH.KeepAlive = 50 * time.Millisecond
	dir := t.TempDir()
	server := w.server(fleettest.SSHConfig{Dir: dir})
	node := w.dialer().Node(nodeOf("web-1", server.Addr()))
	var pending sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		pending.Go(func() {
			_, errs[i] = node.Run(t.Context(), script("echo started; : >up"+strconv.Itoa(i)+"; sleep 600"))
		})
	}
	for i := range errs {
		waitForFile(t, filepath.Join(dir, "up"+strconv.Itoa(i)))
	}
	server.Freeze()
	pending.Wait()
	for _, err := range errs {
		contains(t, wantPhase(t, err, PhaseLost).Error(), "web-1", "no answer to 3 keepalives within 150ms")
	}
	server.Thaw()
	if _, err := node.Run(within(t, 5*time.Second), script("true")); err != nil {
		t.Errorf("the next script did not connect anew: %v", err)
	}
}

func TestCutIsNotRetriedButTheNextCallConnects(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	server := w.server(fleettest.SSHConfig{Dir: dir})
	node := w.dialer().Node(nodeOf("web-1", server.Addr()))
	done := make(chan error, 1)
	go func() {
		_, err := node.Run(t.Context(), script("echo x >>runs; : >up; sleep 600"))
		done <- err
	}()
	waitForFile(t, filepath.Join(dir, "up"))
	server.Cut()
	wantPhase(t, <-done, PhaseLost)
	if _, err := node.Run(within(t, 5*time.Second), script("true")); err != nil {
		t.Fatal(err)
	}
	if runs, _ := os.ReadFile(filepath.Join(dir, "runs")); string(runs) != "x\n" {
		t.Errorf("the cut script ran %q", runs)
	}
}
