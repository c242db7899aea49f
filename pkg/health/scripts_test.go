package health

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/shell"
)

// local is a node that runs scripts on this machine, with bin before everything else in PATH.
func local(t *testing.T, argv []string, bin string) *fakeNode {
	return &fakeNode{run: func(ctx context.Context, s shell.Script) (shell.Result, error) {
		text, err := s.Text()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Stdin = strings.NewReader(text)
		cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
		out, err := cmd.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return shell.Result{}, &shell.ExitError{Script: s.Name, Status: exit.ExitCode(), Result: shell.Result{Stdout: string(out)}}
		}
		return shell.Result{Stdout: string(out)}, err
	}}
}

func eachShell(t *testing.T, test func(t *testing.T, argv []string)) {
	for name, argv := range map[string][]string{"dash": {"dash"}, "bash": {"bash", "--posix"}, "ash": {"busybox", "sh"}} {
		if _, err := exec.LookPath(argv[0]); err == nil {
			t.Run(name, func(t *testing.T) { test(t, argv) })
		}
	}
}

func TestCommand(t *testing.T) {
	eachShell(t, func(t *testing.T, argv []string) {
		n := local(t, argv, "")
		for line, want := range map[string]Answer{
			"true":                                 {OK: true, Text: "ended with status 0"},
			"pwd; cat; echo \"it's\"; exit 3":      {Text: "ended with status 3", Body: "/ it's"},
			"printf 'no newline' >&2; false":       {Text: "ended with status 1", Body: "no newline"},
			"printf '\\033[31mred\\000\\n\\n'":     {OK: true, Text: "ended with status 0", Body: "[31mred"},
			"printf '::error injected\\n'; exit 4": {Text: "ended with status 4", Body: "::error injected"},
			"definitely-not-a-program-of-anyone":   {Text: "ended with status 127"},
		} {
			answer := once(t, n, config.Check{Kind: "command", Target: line}, Want{})
			if answer.OK != want.OK || answer.Text != want.Text || !strings.Contains(answer.Body, want.Body) {
				t.Errorf("%s: %+v", line, answer)
			}
		}
		answer := once(t, n, config.Check{Kind: "command", Target: "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; exit 5"}, Want{})
		if answer.Text != "ended with status 5" || !strings.HasSuffix(answer.Body, "line 19999") || len(answer.Body) > maxBody {
			t.Errorf("much output: %+v", answer)
		}
	})
}

func TestSystemd(t *testing.T) {
	eachShell(t, func(t *testing.T, argv []string) {
		for shown, want := range map[string]string{
			"LoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=0\nInvocationID=a":               "is active (running)",
			"LoadState=loaded\nActiveState=reloading\nSubState=reload\nNRestarts=0\nInvocationID=a":             "is reloading (reload)",
			"LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nResult=exit-code\nNRestarts=3":    "is activating (auto-restart), last result exit-code",
			"LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=signal\nNRestarts=3\nInvocationID=a": "is failed (failed), last result signal",
			"LoadState=not-found\nActiveState=inactive\nSubState=dead":                                          "systemd knows no such unit",
		} {
			bin := t.TempDir()
			script := "#!/bin/sh\ncat <<'EOF'\n" + shown + "\nEOF\n"
			if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			answer := once(t, local(t, argv, bin), config.Check{Kind: "systemd", Target: "api.service"}, Want{})
			if answer.Text != want || answer.OK != (strings.HasSuffix(want, "(running)") || strings.HasSuffix(want, "(reload)")) {
				t.Errorf("%s: %+v", shown, answer)
			}
		}
		bin := t.TempDir()
		script := "#!/bin/sh\necho 'System has not been booted with systemd' >&2\necho 'Failed to connect to bus' >&2\nexit 1\n"
		if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		answer := once(t, local(t, argv, bin), config.Check{Kind: "systemd", Target: "api.service"}, Want{})
		if answer.OK || answer.Text != "cannot be asked: systemctl: Failed to connect to bus" {
			t.Errorf("%+v", answer)
		}
	})
}

func TestScriptsPassShellcheck(t *testing.T) {
	path, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("there is no shellcheck")
	}
	if out, err := exec.Command(path, "-s", "sh", "command.sh", "systemd.sh").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
