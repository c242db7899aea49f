package restart

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/config"
)

// unit is what systemctl show (systemd 252) prints of a healthy unit, with the given properties changed.
func unit(changes ...string) string {
	properties := []string{"Type=simple", "Result=success", "NRestarts=0", "MainPID=71", "ExecMainStatus=0", "LoadState=loaded",
		"ActiveState=active", "SubState=running", "CanReload=no", "InvocationID=aaaa"}
	for _, change := range changes {
		key, _, _ := strings.Cut(change, "=")
		for i, property := range properties {
			if strings.HasPrefix(property, key+"=") {
				properties[i] = change
			}
		}
	}
	return strings.Join(properties, "\n") + "\n"
}

var unitLog = []string{"Started api.service - API.\nTraceback: no module named x\napi.service: Failed with result 'exit-code'.\n"}

func systemd(shows []string, more ...string) map[string][]string {
	answers := map[string][]string{"systemctl show": shows, "journalctl cat": unitLog}
	for i := 0; i < len(more); i += 2 {
		answers[more[i]] = []string{more[i+1]}
	}
	return answers
}

func TestSystemdRestart(t *testing.T) {
	dead := unit("ActiveState=failed", "SubState=failed", "Result=exit-code", "ExecMainStatus=1", "NRestarts=3", "MainPID=0")
	trace := []string{"Traceback: no module named x"}
	for _, s := range []scene{
		{name: "holds", answers: systemd([]string{unit()}), called: []string{"--no-ask-password --no-pager restart -- api.service", "reset-failed"}},
		{name: "after a start limit", answers: systemd([]string{dead, unit("NRestarts=0", "InvocationID=")}), called: []string{"reset-failed"}},
		{
			name:    "dies at once though systemctl says yes",
			answers: systemd([]string{unit(), unit(), dead}),
			reason:  "api.service failed: exit-code 1 (restarts 3)", log: trace,
		},
		{
			name:    "dies while it is watched",
			answers: systemd([]string{unit(), unit(), unit(), unit(), unit("ActiveState=failed", "SubState=failed", "Result=signal", "ExecMainStatus=11")}),
			reason:  "api.service failed: signal 11", log: trace,
		},
		{
			name:    "waits in auto-restart",
			answers: systemd([]string{unit(), unit(), unit("ActiveState=activating", "SubState=auto-restart", "Result=exit-code", "ExecMainStatus=203")}),
			reason:  "api.service failed: exit-code 203 (EXEC: the program of ExecStart= is missing or cannot be run)",
		},
		{
			name:    "was started again between two looks",
			answers: systemd([]string{unit(), unit(), unit(), unit("NRestarts=1", "InvocationID=bbbb")}),
			reason:  "api.service died and systemd started it again (restarts 1)",
		},
		{
			name:    "was started again, and an old systemd does not count",
			answers: systemd([]string{unit(), unit(), unit(), unit("InvocationID=bbbb")}),
			reason:  "api.service died and was started again",
		},
		{
			name: "was started again, and the log is the dead one's",
			answers: systemd([]string{unit(), unit(), unit(), unit("NRestarts=1", "InvocationID=bbbb")},
				"journalctl export", "MESSAGE=api.service: Main process exited, code=killed, status=9/KILL\nINVOCATION_ID=dead\n"),
			reason: "api.service died (code=killed, status=9/KILL) and systemd started it again (restarts 1)", log: trace,
			called: []string{" _SYSTEMD_INVOCATION_ID=dead"},
		},
		{
			name: "was started again, and only the end of what ran before is known",
			answers: systemd([]string{unit(), unit(), unit("NRestarts=1", "InvocationID=bbbb")},
				"journalctl export", "MESSAGE=api.service: Main process exited, code=exited, status=143/n/a\nINVOCATION_ID=aaaa\n"),
			reason: "api.service died and systemd started it again (restarts 1)", log: trace,
			avoided: []string{" _SYSTEMD_INVOCATION_ID="},
		},
		{name: "keeps an older count", answers: systemd([]string{unit("NRestarts=4")})},
		{
			name:    "ends with status 0",
			answers: systemd([]string{unit(), unit(), unit("ActiveState=inactive", "SubState=dead")}),
			reason:  "api.service ended at once with status 0",
		},
		{name: "is a oneshot that is over", answers: systemd([]string{unit("Type=oneshot", "ActiveState=inactive", "SubState=dead")})},
		{name: "starts slowly", answers: systemd([]string{unit(), unit(), unit("ActiveState=activating", "SubState=start"), unit("ActiveState=activating", "SubState=start-post"), unit()})},
		{
			name:    "cannot start",
			answers: systemd([]string{unit(), unit(), dead}, "systemctl restart", "exit 1\nJob for api.service failed.\nSee \"systemctl status api.service\" for details.\n"),
			reason:  "api.service failed: exit-code 1 (restarts 3)", log: trace,
		},
		{
			name:    "may not be restarted",
			answers: systemd([]string{dead}, "systemctl restart", "exit 1\nFailed to restart api.service: Access denied\nSee system logs and 'systemctl status api.service' for details.\n"),
			reason:  "cannot restart api.service: Failed to restart api.service: Access denied", hint: "ssh.become: sudo",
		},
		{
			name:    "is not there",
			answers: systemd([]string{"Type=\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n"}),
			reason:  "systemd knows no unit api.service", hint: "daemon-reload", avoided: []string{" restart "},
		},
		{
			name:    "is masked",
			answers: systemd([]string{"LoadState=masked\nActiveState=inactive\nSubState=dead\n"}),
			reason:  "unit api.service is masked", hint: "systemctl unmask api.service",
		},
		{
			name:    "does not load",
			answers: systemd([]string{"LoadState=bad-setting\nLoadError=org.freedesktop.systemd1.BadUnitSetting \"Unit has a bad unit file setting.\"\nActiveState=inactive\n"}),
			reason:  `unit api.service does not load: bad-setting "Unit has a bad unit file setting."`, hint: "systemd-analyze verify",
		},
		{
			name:    "on a node without systemd",
			answers: systemd([]string{"exit 1\nSystem has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down\n"}),
			reason:  "systemctl: Failed to connect to bus: Host is down", hint: "is systemd the init system",
		},
	} {
		s.play(t, Restart(config.Restart{Kind: "systemd", Name: "api.service"}))
	}
}

func TestSystemdReload(t *testing.T) {
	able := unit("CanReload=yes")
	for _, s := range []scene{
		{name: "reloads", answers: systemd([]string{able}), called: []string{" reload -- api.service"}, avoided: []string{" restart ", "reset-failed"}},
		{
			name: "is not running", answers: systemd([]string{unit("CanReload=yes", "ActiveState=inactive", "SubState=dead"), able}),
			called: []string{" restart -- api.service"}, avoided: []string{" reload --"},
		},
		{name: "cannot reload", answers: systemd([]string{unit()}), reason: "api.service cannot reload", hint: "ExecReload="},
		{
			name: "fails to reload", answers: systemd([]string{able}, "systemctl reload", "exit 1\nJob for api.service failed.\nSee \"systemctl status\" for details.\n"),
			reason: "cannot reload api.service: Job for api.service failed.",
		},
		{
			name: "dies of it", answers: systemd([]string{able, unit("NRestarts=1", "InvocationID=bbbb")}),
			reason: "api.service died and systemd started it again (restarts 1)",
		},
	} {
		s.play(t, Restart(config.Restart{Kind: "systemd", Name: "api.service", Action: "reload"}))
	}
}

func TestSystemdProbe(t *testing.T) {
	for _, c := range []struct{ show, state, problem string }{
		{unit(), "running", ""},
		{unit("ActiveState=reloading", "SubState=reload"), "running", ""},
		{unit("ActiveState=activating", "SubState=auto-restart"), "failed", ""},
		{unit("ActiveState=failed", "SubState=failed"), "failed", ""},
		{unit("ActiveState=inactive", "SubState=dead", "MainPID=0"), "stopped", ""},
		{"LoadState=not-found\nActiveState=inactive\n", "unknown", "systemd knows no unit api.service"},
	} {
		for _, sh := range shells(t) {
			n := newNode(t, sh, systemd([]string{c.show}))
			facts, reason := n.run(t, Probe(config.Restart{Kind: "systemd", Name: "api.service"}))
			if got := ParseState(facts).Name; reason != "" || got != c.state || facts.Get("problem") != c.problem {
				t.Errorf("%s: state %q, problem %q, error %q", c.show, got, facts.Get("problem"), reason)
			}
			if strings.Contains(n.calls(), "restart ") || strings.Contains(n.calls(), "reset-failed") {
				t.Errorf("a probe changes things:\n%s", n.calls())
			}
		}
	}
}

func TestSystemdLogsPreferTheApplication(t *testing.T) {
	script, ok := Logs(config.Restart{Kind: "systemd", Name: "api.service"}, 5)
	if !ok {
		t.Fatal("no logs")
	}
	for _, sh := range shells(t) {
		n := newNode(t, sh, systemd([]string{unit()}))
		facts, _ := n.run(t, script)
		if !strings.Contains(facts.Text("log"), "Traceback") || !strings.Contains(n.calls(), "-n 5 _SYSTEMD_INVOCATION_ID=aaaa") {
			t.Errorf("log %q by\n%s", facts.Text("log"), n.calls())
		}
	}
}

func TestSystemdLogsOfAServiceThatKeepsDying(t *testing.T) {
	script, _ := Logs(config.Restart{Kind: "systemd", Name: "api.service"}, 5)
	for _, sh := range shells(t) {
		n := newNode(t, sh, systemd([]string{unit("NRestarts=2", "InvocationID=bbbb")}, "journalctl export", "INVOCATION_ID=dead\n"))
		n.run(t, script)
		if !strings.Contains(n.calls(), "-n 5 _SYSTEMD_INVOCATION_ID=dead") {
			t.Errorf("its log was read by\n%s", n.calls())
		}
	}
}

func TestSystemdLeftoverIsNamed(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	called, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Skip("no /proc here")
	}
	script, _ := Logs(config.Restart{Kind: "systemd", Name: "api.service"}, 5)
	for _, sh := range shells(t) {
		for _, name := range []string{strings.TrimSpace(string(called)), "gone"} {
			n := newNode(t, sh, systemd([]string{unit()}))
			n.file(t, "journalctl.cat.1", "api.service: Found left-over process "+own+" ("+name+") in control group while starting unit. Ignoring.\n")
			facts, _ := n.run(t, script)
			if hint := facts.Get("hint"); strings.Contains(hint, "kill "+own) != (name != "gone") {
				t.Errorf("process %s: hint %q", name, hint)
			}
		}
	}
}

func TestLongLogsAreCut(t *testing.T) {
	var long strings.Builder
	for i := range 100 {
		fmt.Fprintf(&long, "line %d %s\n", i, strings.Repeat("x", 5000))
	}
	dead := unit("ActiveState=failed", "SubState=failed", "Result=exit-code")
	n := newNode(t, []string{"/bin/sh"}, systemd([]string{dead}, "journalctl cat", long.String()))
	facts, _ := n.run(t, Restart(config.Restart{Kind: "systemd", Name: "api.service"}))
	lines := facts.All("log")
	if len(lines) != 20 || !strings.HasPrefix(lines[19], "line 99 ") || len(lines[19]) != 400 {
		t.Errorf("%d lines, the last is %.20q with %d bytes", len(lines), lines[len(lines)-1], len(lines[len(lines)-1]))
	}
}
