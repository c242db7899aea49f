//go:build unix

package fleettest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// lasting runs until it is told to end.
func lasting() []string {
	return []string{"/bin/sh", "-c", "echo out; echo err >&2; exec sleep 1000"}
}

// dying writes its reason and ends at once.
func dying() []string { return []string{"/bin/sh", "-c", "echo out of luck >&2; exit 3"} }

func TestSystemctl(t *testing.T) {
	t.Parallel()
	node, client := oneNode(t, Unit{Name: "api.service", Exec: lasting(), CanReload: true}, Unit{Name: "plain.service", Exec: lasting()})
	expect(t, client, "systemctl is-active api.service", 3, "inactive")
	expect(t, client, "systemctl restart api.service", 0)
	expect(t, client, "systemctl is-active api", 0, "active")
	pid := node.Unit("api.service").PID
	expect(t, client, "systemctl show api.service -p SubState,MainPID --property=ActiveState -p Nonsense", 0,
		fmt.Sprintf("MainPID=%d\nActiveState=active\nSubState=running\n", pid)) // systemd's order
	expect(t, client, "systemctl show api.service --value -p ActiveState", 0, "active\n")
	began := on(t, client, "systemctl show api.service --value -p ActiveEnterTimestamp --timestamp=unix").out
	var at int64
	if _, err := fmt.Sscanf(began, "@%d", &at); err != nil || time.Since(time.Unix(at, 0)) > time.Minute {
		t.Errorf("the start is told as %q", began)
	}
	invocation := on(t, client, "systemctl show api.service --value -p InvocationID").out
	expect(t, client, "systemctl restart api.service", 0)
	if on(t, client, "systemctl show api.service --value -p InvocationID").out == invocation || node.Unit("api.service").PID == pid {
		t.Error("a restart left the old process")
	}
	if lives(pid) {
		t.Error("the old process still runs")
	}
	expect(t, client, "systemctl stop api.service && systemctl stop api.service", 0)
	expect(t, client, "systemctl show api -p ActiveState -p Result -p MainPID -p ExecMainStatus -p ExecMainCode", 0,
		"MainPID=0\nResult=success\nExecMainCode=2\nExecMainStatus=15\nActiveState=inactive\n")

	expect(t, client, "systemctl reload api", 1, "api.service is not active, cannot reload.")
	expect(t, client, "systemctl reload plain", 1, "Job type reload is not applicable for unit plain.service.")
	expect(t, client, "systemctl restart nope", 5, "Failed to restart nope.service: Unit nope.service not found.")
	expect(t, client, "systemctl stop nope", 5, "Failed to stop nope.service: Unit nope.service not loaded.")
	expect(t, client, "systemctl is-active nope", 4, "inactive")
	expect(t, client, "systemctl show nope -p LoadState,ActiveState", 0, "LoadState=not-found\nActiveState=inactive\n")
	expect(t, client, "systemctl frobnicate api", 1, "Unknown command verb frobnicate.")
	expect(t, client, "systemctl show api --frobnicate", 1, "unrecognized option '--frobnicate'")
}

func TestSystemctlReloadKeepsTheProcess(t *testing.T) {
	t.Parallel()
	node, client := oneNode(t, Unit{Name: "api.service", CanReload: true,
		Exec: []string{"/bin/sh", "-c", `trap "echo reloaded" HUP; echo ready; while :; do sleep 0.1; done`}})
	expect(t, client, "systemctl start api", 0)
	eventually(t, "it is ready", func() bool { return strings.Contains(on(t, client, "journalctl -u api -o cat").out, "ready") })
	pid := node.Unit("api.service").PID
	expect(t, client, "systemctl reload api", 0)
	eventually(t, "it reloads", func() bool { return strings.Contains(on(t, client, "journalctl -u api -o cat").out, "reloaded") })
	if node.Unit("api.service").PID != pid {
		t.Error("a reload made a new process")
	}
}

// As the real one: Type=simple starts well even if it dies at once, and the start limit holds until reset-failed.
func TestSystemdStartLimit(t *testing.T) {
	t.Parallel()
	node, client := oneNode(t, Unit{Name: "api.service", Exec: dying(), Restart: "on-failure", RestartDelay: 10 * time.Millisecond})
	expect(t, client, "systemctl restart api", 0)
	eventually(t, "systemd gives up", func() bool { return on(t, client, "systemctl is-active api").out == "failed\n" })
	expect(t, client, "systemctl show api -p NRestarts,Result,ExecMainStatus,ActiveState,SubState", 0,
		"Result=exit-code\nNRestarts=5\nExecMainStatus=3\nActiveState=failed\nSubState=failed\n")
	if starts := node.Unit("api.service").Starts; starts != 5 {
		t.Errorf("it was started %d times", starts)
	}
	expect(t, client, "journalctl -u api --no-pager -o cat", 0, "out of luck", "Scheduled restart job, restart counter is at 4.",
		"Main process exited, code=exited, status=3/", "Start request repeated too quickly.", "Failed with result 'exit-code'.")
	expect(t, client, "systemctl restart api", 1, "Job for api.service failed because the control process exited with error code.")
	expect(t, client, "systemctl show api --value -p NRestarts", 0, "5")
	expect(t, client, "systemctl reset-failed api", 0)
	expect(t, client, "systemctl show api -p NRestarts,Result,ActiveState", 0, "Result=success\nNRestarts=0\nActiveState=inactive\n")
	expect(t, client, "systemctl restart api", 0)
}

func TestSystemdRestartsByHandCountToo(t *testing.T) {
	t.Parallel()
	_, client := oneNode(t, Unit{Name: "api.service", Exec: lasting()})
	expect(t, client, "for i in 1 2 3 4 5; do systemctl restart api || exit 9; done", 0)
	expect(t, client, "systemctl restart api", 1, "start of the service was attempted too often", "systemctl reset-failed api.service")
	expect(t, client, "systemctl show api --value -p Result", 0, "start-limit-hit")
}

func TestSystemdWithoutTheProgram(t *testing.T) {
	t.Parallel()
	node, client := oneNode(t, Unit{Name: "api.service", Exec: []string{"~/srv/api/current/bin/api"}})
	expect(t, client, "systemctl restart api", 0)
	eventually(t, "it fails", func() bool { return !node.Unit("api.service").Running })
	expect(t, client, "systemctl show api -p ExecMainStatus -p Result -p ActiveState", 0, "Result=exit-code\nExecMainStatus=203\nActiveState=failed\n")
	expect(t, client, "journalctl -u api", 0, "Failed at step EXEC spawning "+node.Home+"/srv/api/current/bin/api: No such file or directory")
}

func TestSystemdKillsWhatDoesNotStop(t *testing.T) {
	t.Parallel()
	node, client := oneNode(t, Unit{Name: "api.service", StopTimeout: 50 * time.Millisecond,
		Exec: []string{"/bin/sh", "-c", `trap "" TERM; echo ready; while :; do sleep 1000; done`}})
	expect(t, client, "systemctl start api", 0)
	eventually(t, "it is ready", func() bool { return strings.Contains(on(t, client, "journalctl -u api -o cat").out, "ready") })
	pid := node.Unit("api.service").PID
	expect(t, client, "systemctl stop api", 0)
	if lives(pid) {
		t.Error("it survived")
	}
	expect(t, client, "systemctl is-active api", 3, "failed")
}

func TestJournalctl(t *testing.T) {
	t.Parallel()
	_, client := oneNode(t, Unit{Name: "api.service", Exec: lasting()}, Unit{Name: "other.service", Exec: []string{"/bin/sh", "-c", "echo foreign"}})
	expect(t, client, "systemctl start api other", 0)
	query := "journalctl --no-pager _SYSTEMD_INVOCATION_ID=$(systemctl show api --value -p InvocationID)"
	eventually(t, "both lines are in the journal", func() bool {
		got := on(t, client, query+" -o cat").out
		return got == "out\nerr\n" || got == "err\nout\n"
	})
	expect(t, client, query, 0, " web-1 sh[")
	if got := on(t, client, "journalctl -u api.service -n 1 -o cat").out; strings.Count(got, "\n") != 1 {
		t.Errorf("one line was asked for: %q", got)
	}
	all := expect(t, client, "journalctl -u api -o cat", 0, "Started api.service.")
	if strings.Contains(all.out, "foreign") {
		t.Error("another unit's lines are shown")
	}
	expect(t, client, "journalctl -u nope", 0, "-- No entries --")
	if got := on(t, client, "journalctl -q -u nope"); got.out != "" {
		t.Errorf("quiet is loud: %s", got)
	}
	expect(t, client, "journalctl -u api --since @4102444800.5", 0, "-- No entries --")
	expect(t, client, "journalctl -u api --since yesterday", 1, "Failed to parse timestamp: yesterday")
	expect(t, client, "journalctl --frobnicate", 1, "unrecognized option '--frobnicate'")
}

func TestSupervisorctl(t *testing.T) {
	t.Parallel()
	node, client := oneNode(t,
		Unit{Name: "api", Manager: Supervisor, Exec: lasting()},
		Unit{Name: "bad", Manager: Supervisor, Exec: dying()},
		Unit{Name: "missing", Manager: Supervisor, Exec: []string{"~/nowhere"}},
		Unit{Name: "api.service", Exec: lasting()})
	expect(t, client, "supervisorctl status api", 3, "api                              STOPPED   Not started\n")
	expect(t, client, "supervisorctl restart api", 0, "api: ERROR (not running)\napi: started\n")
	pid := node.Unit("api").PID
	expect(t, client, "supervisorctl status api", 0, fmt.Sprintf("api                              RUNNING   pid %d, uptime 0:00:0", pid))
	expect(t, client, "supervisorctl restart api", 0, "api: stopped\napi: started\n")
	expect(t, client, "supervisorctl start api", 0, "api: ERROR (already started)")
	expect(t, client, "supervisorctl tail api", 0, "out\nout\n")
	expect(t, client, "supervisorctl tail -4 api stderr", 0, "err\n")
	expect(t, client, "supervisorctl signal HUP api", 0, "api: signalled")
	expect(t, client, "supervisorctl pid api", 0)
	expect(t, client, "supervisorctl stop api", 0, "api: stopped")
	expect(t, client, "supervisorctl stop api", 0, "api: ERROR (not running)")
	expect(t, client, "supervisorctl signal HUP api", 7, "api: ERROR (not running)")

	expect(t, client, "supervisorctl start bad", 7, "bad: ERROR (spawn error)")
	expect(t, client, "supervisorctl status bad", 3, "BACKOFF", "Exited too quickly (process log may have details)")
	expect(t, client, "supervisorctl tail bad stderr", 0, "out of luck")
	expect(t, client, "supervisorctl stop bad && supervisorctl status bad", 3, "STOPPED")
	expect(t, client, "supervisorctl start missing", 1, "missing: ERROR (no such file)")
	expect(t, client, "supervisorctl status nope", 4, "nope: ERROR (no such process)")
	expect(t, client, "supervisorctl restart nope", 1, "nope: ERROR (no such process)\nnope: ERROR (no such process)\n")
	expect(t, client, "supervisorctl status api.service", 4, "no such process")
	expect(t, client, "supervisorctl status", 3, "api  ", "bad  ", "missing  ")
}

func TestSv(t *testing.T) {
	t.Parallel()
	node, client := oneNode(t,
		Unit{Name: "api", Manager: Runit, Exec: lasting()},
		Unit{Name: "bad", Manager: Runit, Exec: dying()})
	expect(t, client, "sv status api", 0, "down: api: ")
	expect(t, client, "sv restart api", 0, "ok: run: api: (pid ")
	pid := node.Unit("api").PID
	expect(t, client, "sv restart api", 0, "ok: run: api: (pid ")
	if lives(pid) {
		t.Error("the old process still runs")
	}
	expect(t, client, "sv status /etc/service/api", 0, "run: /etc/service/api: (pid ")
	if got := on(t, client, "sv hup api"); got.status != 0 || got.out != "" {
		t.Errorf("hup: %s", got)
	}
	eventually(t, "runsv starts it again", func() bool { s := node.Unit("api"); return s.Running && s.Starts > 2 })
	expect(t, client, "sv stop api", 0, "ok: down: api: 0s, normally up\n")
	expect(t, client, "sv -w 1 restart bad", 1, "timeout: down: bad: ", "normally up, want up")
	expect(t, client, "sv restart nope", 1, "fail: nope: unable to change to service directory: file does not exist")
	expect(t, client, "cat ~/service/api/log/main/current", 0, "out")
	expect(t, client, "sv frobnicate", 100, "usage: sv")
}

func TestPM2(t *testing.T) {
	t.Parallel()
	node, client := oneNode(t, Unit{Name: "web", Manager: PM2, Exec: lasting()}, Unit{Name: "bad", Manager: PM2, Exec: dying()})
	expect(t, client, "pm2 restart web", 0, "[PM2] Applying action restartProcessId on app [web](ids: [ 0 ])", "[PM2] [web](0) ✓")
	pid := node.Unit("web").PID
	expect(t, client, "pm2 jlist", 0, fmt.Sprintf(`{"pid":%d,"name":"web","pm2_env":{"name":"web","status":"online","pm_id":0,`, pid))
	expect(t, client, "pm2 pid web", 0, fmt.Sprintf("%d\n", pid))
	expect(t, client, "pm2 describe web", 0, "│ status            │ online ")
	eventually(t, "both logs are there", func() bool {
		got := on(t, client, "pm2 logs web --nostream --lines 3").out
		return strings.Contains(got, "0|web      | out\n") && strings.Contains(got, "0|web      | err\n")
	})
	expect(t, client, "cat ~/.pm2/logs/web-out.log && kill -0 $(cat ~/.pm2/pm2.pid)", 0, "out")
	expect(t, client, "pm2 reload web && pm2 stop web && pm2 pid web", 0, "reloadProcessId", "stopProcessId", "\n0\n")
	expect(t, client, "pm2 restart nope", 1, "[PM2][ERROR] Process or Namespace nope not found")
	expect(t, client, "pm2 describe nope", 1, "[PM2][WARN] nope doesn't exist")
	expect(t, client, "pm2 restart bad", 0)
	eventually(t, "pm2 gives up", func() bool { return strings.Contains(on(t, client, "pm2 describe bad").out, "errored") })
	if starts := node.Unit("bad").Starts; starts != 16 {
		t.Errorf("it was started %d times", starts)
	}
}

func TestAddUnitRefuses(t *testing.T) {
	t.Parallel()
	node, _ := oneNode(t, Unit{Name: "api.service", Exec: lasting()})
	for name, u := range map[string]Unit{
		"no name":      {Exec: lasting()},
		"no program":   {Name: "x"},
		"a name twice": {Name: "api.service", Exec: lasting()},
	} {
		if err := node.AddUnit(u); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if state := node.Unit("nope"); state != (UnitState{}) {
		t.Errorf("there is no such unit: %+v", state)
	}
}
