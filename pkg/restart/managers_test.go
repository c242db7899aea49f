package restart

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/shell"
)

const (
	running1 = "api                              RUNNING   pid 7978, uptime 0:00:02\n"
	running2 = "api                              RUNNING   pid 8001, uptime 0:00:00\n"
	starting = "api                              STARTING  \n"
	fatal    = "api                              FATAL     Exited too quickly (process log may have details)\n"
	stopped  = "api                              STOPPED   Nov 21 10:51 AM\n"
)

func supervisor(statuses []string, more ...string) map[string][]string {
	answers := map[string][]string{"supervisorctl status": statuses, "supervisorctl tail": {"starting\n\n", "ImportError: x\n"}}
	for i := 0; i < len(more); i += 2 {
		answers["supervisorctl "+more[i]] = []string{more[i+1]}
	}
	return answers
}

// The texts are those of supervisor 4.2.5; its statuses are 0 or, for status, 3 whenever something does not run, and 7 for a refused start.
func TestSupervisor(t *testing.T) {
	for _, s := range []scene{
		{name: "holds", answers: supervisor([]string{running1, running2}), called: []string{"supervisorctl restart api"}},
		{name: "was stopped", answers: supervisor([]string{"exit 3\n" + stopped, running1}, "restart", "api: ERROR (not running)\napi: started\n")},
		{name: "starts slowly", answers: supervisor([]string{running1, starting, starting, running2})},
		{
			name: "dies", answers: supervisor([]string{running1, "exit 3\n" + fatal}, "restart", "exit 7\napi: stopped\napi: ERROR (spawn error)\n"),
			reason: "api is FATAL: Exited too quickly (process log may have details) (spawn error)", log: []string{"starting", "ImportError: x"},
		},
		{
			name: "has no program file", answers: supervisor([]string{stopped}, "restart", "exit 1\napi: ERROR (not running)\napi: ERROR (no such file)\n"),
			reason: "api is STOPPED: Nov 21 10:51 AM (no such file)",
		},
		{name: "is started again", answers: supervisor([]string{running1, running1, running2}), reason: "api died and supervisor started it again"},
		{
			name: "is not there", answers: supervisor([]string{"exit 4\napi: ERROR (no such process)\n"}),
			reason: "supervisor knows no program api", hint: "supervisorctl reread && supervisorctl update", avoided: []string{"restart"},
		},
		{
			name: "may not be asked", answers: supervisor([]string{"exit 4\nerror: <class 'PermissionError'>, [Errno 13] Permission denied: file: /usr/lib/client.py line: 560\n"}),
			reason: "supervisorctl: error: <class 'PermissionError'>, [Errno 13] Permission denied: file: /usr/lib/client.py line: 560", hint: "ssh.become",
		},
		{name: "no daemon", answers: supervisor([]string{"exit 4\nunix:///run/supervisor.sock no such file\n"}),
			reason: "supervisorctl: unix:///run/supervisor.sock no such file", hint: "start supervisor"},
		{name: "reload", action: "reload", answers: supervisor([]string{running1}, "signal", "api: signalled\n"), called: []string{"signal HUP api"}, avoided: []string{"restart"}},
		{name: "reload of a stopped one", action: "reload", answers: supervisor([]string{stopped, running1}), called: []string{"restart api"}},
		{name: "reload by an old supervisor", action: "reload", answers: supervisor([]string{running1}, "signal", "*** Unknown syntax: signal HUP api\n"),
			reason: "cannot send SIGHUP to api: *** Unknown syntax: signal HUP api"},
	} {
		s.play(t, Restart(config.Restart{Kind: "supervisor", Name: "api", Action: s.action}))
	}
}

func TestSupervisorGroupFailsWithItsWorstProgram(t *testing.T) {
	scene{
		name:    "group",
		answers: supervisor([]string{"grp:a   RUNNING   pid 1, uptime 0:00:02\ngrp:b   BACKOFF   can't find command\n"}),
		reason:  "grp:b is BACKOFF: can't find command",
		called:  []string{"restart grp:*", "tail -8000 grp:b stderr"},
		avoided: []string{"tail -8000 grp:a"},
	}.play(t, Restart(config.Restart{Kind: "supervisor", Name: "grp:*"}))
}

func TestRunit(t *testing.T) {
	run := func(pid, seconds string) string {
		return "run: api: (pid " + pid + ") " + seconds + "s; run: log: (pid 8596) 1s\n"
	}
	sv := func(statuses ...string) map[string][]string { return map[string][]string{"sv status": statuses} }
	for _, s := range []scene{
		{name: "holds", answers: sv(run("71", "90"), run("72", "0")), called: []string{"sv -w 3 restart api"}},
		{name: "was down", answers: sv("down: api: 90s, normally up\n", run("72", "0"))},
		{name: "ends slowly", answers: sv(run("71", "90"), "run: api: (pid 71) 98s, got TERM\n", "finish: api: (pid 73) 0s\n", run("72", "0"))},
		{name: "is started again", answers: sv(run("71", "90"), run("72", "0"), run("73", "0")), reason: "api died and runit started it again"},
		{name: "dies while it is watched", answers: sv(run("71", "90"), run("72", "0"), "finish: api: (pid 74) 0s\n"), reason: "api died: runit says finish"},
		{name: "dies at once", answers: sv(run("71", "90"), "down: api: 0s, normally up, want up\n"), reason: "api does not stay up: it ends as soon as runit starts it"},
		{
			name: "is not there", answers: sv("exit 1\nfail: api: unable to change to service directory: file does not exist\n"),
			reason: "runit: fail: api: unable to change to service directory: file does not exist", hint: "make a service directory", avoided: []string{"restart"},
		},
		{name: "reload", action: "reload", answers: sv(run("71", "90")), called: []string{"sv hup api"}, avoided: []string{"restart"}},
		{name: "reload kills it", action: "reload", answers: sv(run("71", "90"), run("71", "90"), run("72", "0")), reason: "api died and runit started it again"},
		{name: "reload of one that is down", action: "reload", answers: sv("down: api: 9s\n", run("71", "0")), called: []string{"restart api"}},
	} {
		s.play(t, Restart(config.Restart{Kind: "runit", Name: "api", Action: s.action}))
	}
}

func TestRunitShowsTheLogOfSvlogd(t *testing.T) {
	for _, sh := range shells(t) {
		n := newNode(t, sh, map[string][]string{"sv status": {"run: api: (pid 1) 9s\n"}})
		n.file(t, "service/api/log/main/current", "2026-11-21_10:54:02 hi\n2026-11-21_10:54:03 boom\n")
		n.env = []string{"SVDIR=" + n.dir + "/service"}
		script, _ := Logs(config.Restart{Kind: "runit", Name: "api"}, 1)
		if facts, reason := n.run(t, script); facts.Text("log") != "2026-11-21_10:54:03 boom" || reason != "" {
			t.Errorf("log %q, reason %q", facts.Text("log"), reason)
		}
	}
}

// pm2Node is a node with a pm2 whose daemon seems to run; the lists are those of pm2 7.0.4, shortened.
func pm2Node(t *testing.T, sh []string, lists []string) *node {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node")
	}
	n := newNode(t, sh, map[string][]string{"pm2 jlist": lists})
	n.tool(t, "node", "#!/bin/sh\nexec "+node+" \"$@\"\n")
	n.file(t, ".pm2/pm2.pid", strconv.Itoa(os.Getpid()))
	n.file(t, "out.log", "listening\n")
	n.file(t, "err.log", "Error: boom\n")
	for i, list := range lists {
		n.file(t, "pm2.jlist."+strconv.Itoa(i+1), strings.ReplaceAll(list, "LOGS", n.dir))
	}
	return n
}

func app(status string, pid, restarts int, path string) string {
	return `[{"pid":` + strconv.Itoa(pid) + `,"name":"api","pm2_env":{"status":"` + status + `","restart_time":` + strconv.Itoa(restarts) +
		`,"exit_code":3,"pm_exec_path":"` + path + `","pm_cwd":"/","pm_out_log_path":"LOGS/out.log","pm_err_log_path":"LOGS/err.log"}},` +
		`{"pid":9,"name":"other","pm2_env":{"status":"errored"}}]` + "\n"
}

func TestPM2(t *testing.T) {
	const path = "/srv/api/current/node_modules/.bin/api"
	for name, c := range map[string]struct {
		lists        []string
		reason, hint string
	}{
		"holds":            {lists: []string{app("online", 71, 4, path), app("online", 72, 5, path)}},
		"says more":        {lists: []string{">>>> In-memory PM2 is out-of-date, do:\n>>>> $ pm2 update\n" + app("online", 71, 4, path), app("online", 72, 5, path)}},
		"starts slowly":    {lists: []string{app("stopped", 0, 4, path), app("launching", 72, 4, path), app("online", 72, 4, path)}},
		"is errored":       {lists: []string{app("online", 71, 4, path), app("errored", 0, 5, path)}, reason: "api is errored: exit code 3"},
		"is started again": {lists: []string{app("online", 71, 4, path), app("online", 72, 5, path), app("online", 73, 6, path)}, reason: "api died and pm2 started it again (restarts 1)"},
		"has a fixed path": {lists: []string{app("online", 71, 4, "/srv/api/releases/1.0.0-3f9a1c2b/x.js")},
			reason: "pm2 starts api from /srv/api/releases/1.0.0-3f9a1c2b/x.js, whatever current is", hint: "pm2 delete api && pm2 start /srv/api/current/"},
		"is unknown":     {lists: []string{"[]\n"}, reason: "knows no app api", hint: "pm2 start PATH/current/"},
		"gives nonsense": {lists: []string{"oops\n"}, reason: "pm2 jlist gives no list of apps"},
	} {
		for shellName, sh := range shells(t) {
			t.Run(name+"/"+shellName, func(t *testing.T) {
				t.Parallel()
				n := pm2Node(t, sh, c.lists)
				facts, reason := n.run(t, Restart(config.Restart{Kind: "pm2", Name: "api"}))
				if !strings.Contains(reason, c.reason) || (c.reason == "") != (reason == "") || !strings.Contains(facts.Get("hint"), c.hint) {
					t.Errorf("reason %q, hint %q", reason, facts.Get("hint"))
				}
				if strings.HasPrefix(c.reason, "api") && facts.Text("log") != "listening\nError: boom" {
					t.Errorf("log %q", facts.Text("log"))
				}
				if strings.Contains(n.calls(), "update-env") {
					t.Errorf("the session's environment would get into the app: %s", n.calls())
				}
			})
		}
	}
}

func TestPM2WithoutADaemonIsNotAsked(t *testing.T) {
	n := pm2Node(t, []string{"/bin/sh"}, []string{"[]\n"})
	n.file(t, ".pm2/pm2.pid", "99999999")
	facts, reason := n.run(t, Probe(config.Restart{Kind: "pm2", Name: "api"}))
	if !strings.Contains(facts.Get("problem"), "no pm2 runs for user") || reason != "" || n.calls() != "" {
		t.Errorf("problem %q, reason %q, calls %q: jlist would start a daemon", facts.Get("problem"), reason, n.calls())
	}
}

func TestMissingToolsAreProblems(t *testing.T) {
	for kind, want := range map[string]string{"systemd": "systemctl is missing", "supervisor": "supervisorctl is missing", "runit": "sv is missing", "pm2": "pm2 is not in PATH"} {
		n := newNode(t, []string{"/bin/sh"}, nil)
		for _, tool := range []string{"sh", "sed", "tail", "cut", "cat", "id", "date"} {
			path, err := exec.LookPath(tool)
			if err != nil {
				t.Fatal(err)
			}
			n.tool(t, tool, "#!/bin/sh\nexec "+path+" \"$@\"\n")
		}
		n.env = []string{"PATH=" + n.dir + "/bin"}
		facts, reason := n.run(t, Probe(config.Restart{Kind: kind, Name: "api"}))
		if !strings.Contains(facts.Get("problem"), want) || facts.Get("hint") == "" || reason != "" || ParseState(facts).Name != "unknown" {
			t.Errorf("%s: %v %q", kind, facts, reason)
		}
	}
}

func TestStop(t *testing.T) {
	for kind, answers := range map[string]map[string][]string{
		"systemd":    {"systemctl show": {unit()}, "systemctl stop": {""}},
		"supervisor": {"supervisorctl status": {running1, stopped}, "supervisorctl stop": {"api: stopped\n"}},
		"runit":      {"sv status": {"run: api: (pid 1) 9s\n", "down: api: 0s, normally up\n"}},
	} {
		for _, sh := range shells(t) {
			n := newNode(t, sh, answers)
			script, ok := Stop(config.Restart{Kind: kind, Name: "api"})
			if _, reason := n.run(t, script); !ok || reason != "" || !strings.Contains(n.calls(), "stop") {
				t.Errorf("%s: %v %q by\n%s", kind, ok, reason, n.calls())
			}
		}
	}
	n := newNode(t, []string{"/bin/sh"}, map[string][]string{"sv status": {"run: api: (pid 1) 9s\n"}, "sv stop": {"exit 1\ntimeout: run: api: (pid 1) 39s, want down, got TERM\n"}})
	script, _ := Stop(config.Restart{Kind: "runit", Name: "api"})
	if _, reason := n.run(t, script); !strings.Contains(reason, "api does not stop: timeout") {
		t.Errorf("a service that goes on running was stopped: %q", reason)
	}
	for _, kind := range []string{"command", "none"} {
		if _, ok := Stop(config.Restart{Kind: kind}); ok {
			t.Errorf("%s cannot stop", kind)
		}
		if _, ok := Logs(config.Restart{Kind: kind}, 9); ok {
			t.Errorf("%s has no log", kind)
		}
	}
}

func TestCommand(t *testing.T) {
	for name, sh := range shells(t) {
		n := newNode(t, sh, nil)
		n.env = []string{"TMPDIR=" + n.dir}
		line := `pwd >"$FAKE/where"; echo "it's $((1+1))"; echo boom >&2; exit 7`
		facts, reason := n.run(t, Restart(config.Restart{Kind: "command", Name: line}))
		if reason != "the restart command ended with status 7" || facts.Text("log") != "it's 2\nboom" {
			t.Errorf("%s: reason %q, log %q", name, reason, facts.Text("log"))
		}
		if where, _ := os.ReadFile(n.dir + "/where"); string(where) != "/\n" {
			t.Errorf("%s: ran in %q", name, where)
		}
		if facts, reason := n.run(t, Restart(config.Restart{Kind: "command", Name: "echo fine", Action: "reload"})); reason != "" || facts.Text("log") != "" {
			t.Errorf("%s: %v %q", name, facts, reason)
		}
		facts, _ = n.run(t, Probe(config.Restart{Kind: "command", Name: "if then"}))
		if !strings.HasPrefix(facts.Get("problem"), "the restart command is no shell: ") {
			t.Errorf("%s: %v", name, facts)
		}
	}
}

// What a line leaves behind must not keep the pipe to the script's caller open: cmd.Output would wait for it.
func TestCommandMayLeaveAProgramBehind(t *testing.T) {
	n := newNode(t, []string{"/bin/sh"}, nil)
	n.tool(t, "sleep", "#!/bin/sh\nexec /bin/sleep \"$@\"\n")
	began := time.Now()
	_, reason := n.run(t, Restart(config.Restart{Kind: "command", Name: `sleep 60 & echo $! >"$FAKE/left"`}))
	if took := time.Since(began); reason != "" || took > 40*time.Second {
		t.Errorf("it took %s (%q)", took, reason)
	}
	left, _ := os.ReadFile(n.dir + "/left")
	if pid, err := strconv.Atoi(strings.TrimSpace(string(left))); err != nil {
		t.Error(err)
	} else if process, err := os.FindProcess(pid); err == nil {
		_ = process.Kill()
	}
}

func TestNoneDoesNothing(t *testing.T) {
	n := newNode(t, []string{"/bin/sh"}, nil)
	if facts, reason := n.run(t, Restart(config.Restart{Kind: "none"})); len(facts) != 0 || reason != "" {
		t.Errorf("%v %q", facts, reason)
	}
}

func TestWatchWithoutFractions(t *testing.T) {
	n := newNode(t, []string{"/bin/sh"}, systemd([]string{unit()}))
	n.tool(t, "sleep", "#!/bin/sh\necho \"sleep $1\" >>\"$FAKE/calls\"\ncase $1 in *.*) echo usage >&2; exit 1 ;; esac\n")
	if _, reason := n.run(t, Restart(config.Restart{Kind: "systemd", Name: "api.service"})); reason != "" || strings.Count(n.calls(), "sleep 1\n") != 1 {
		t.Errorf("%q:\n%s", reason, n.calls())
	}
}

func TestProbeTellsWhenAProcessStarted(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for name, sh := range shells(t) {
		n := newNode(t, sh, map[string][]string{"sv status": {"run: api: (pid " + self + ") 9s\n"}})
		facts, _ := n.run(t, Probe(config.Restart{Kind: "runit", Name: "api"}))
		state := ParseState(facts)
		if age := time.Since(state.Started); state.Name != "running" || strconv.Itoa(state.PID) != self || age < -2*time.Second || age > 5*time.Minute {
			t.Errorf("%s: %+v", name, state)
		}
	}
}

func TestParseState(t *testing.T) {
	for text, want := range map[string]State{
		"":                               {Name: "unknown"},
		"::state running\n::pid 7\n":     {Name: "running", PID: 7},
		"::state on fire\n::pid -1\n":    {Name: "unknown"},
		"::state failed\n::started 12\n": {Name: "failed", Started: time.Unix(12, 0)},
	} {
		if got := ParseState(shell.ParseFacts(text)); got != want {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestNamesAreNeverShell(t *testing.T) {
	evil := "x; touch pwned; $(touch pwned) '`touch pwned`"
	for _, kind := range []string{"systemd", "supervisor", "runit"} {
		n := newNode(t, []string{"/bin/sh"}, map[string][]string{"systemctl show": {unit()}, "supervisorctl status": {running1}, "sv status": {"run: x: (pid 1) 1s\n", "run: x: (pid 2) 1s\n"}})
		n.run(t, Restart(config.Restart{Kind: kind, Name: evil}))
		if _, err := os.Stat(n.dir + "/pwned"); err == nil || !strings.Contains(n.calls(), evil) {
			t.Errorf("%s: the name was run, or lost:\n%s", kind, n.calls())
		}
	}
}

func TestScriptsPassShellcheck(t *testing.T) {
	path, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("there is no shellcheck")
	}
	for _, kind := range []string{"systemd", "supervisor", "runit", "pm2", "command", "none"} {
		text, err := Probe(config.Restart{Kind: kind, Name: "x"}).Text()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, "-s", "sh", "-e", "SC2034", "-")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
	}
}
