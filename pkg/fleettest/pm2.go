//go:build unix

package fleettest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pm2 answers as pm2 7.0 does without a terminal's colours.
func (n *Node) pm2(c *call) int {
	args, lines := pm2Args(c.args)
	if len(args) == 0 {
		c.printf("usage: pm2 [options] <command>\n")
		return 1
	}
	verb := args[0]
	switch verb {
	case "--version", "-v":
		c.printf("7.0.4\n")
		return 0
	case "jlist":
		return n.pm2List(c)
	}
	if len(args) < 2 {
		c.errorf("error: missing required argument\n")
		return 1
	}
	name := args[1]
	id, app := n.pm2App(name)
	switch verb {
	case "pid":
		if app == nil {
			c.printf("\n")
		} else {
			c.printf("%d\n", app.look().pid)
		}
		return 0
	case "logs":
		n.pm2Logs(c, id, name, app, lines)
		return 0
	case "describe", "show":
		if app == nil {
			c.errorf("[PM2][WARN] %s doesn't exist\n", name)
			return 1
		}
		n.pm2Describe(c, id, app)
		return 0
	case "restart", "reload", "stop":
		return n.pm2Act(c, verb, id, name, app)
	}
	c.errorf("[PM2][ERROR] Command not found: %s\n", verb)
	return 1
}

// pm2Args returns the words that are no options, and the number of --lines.
func pm2Args(args []string) (words []string, lines int) {
	lines = 15
	for i := 0; i < len(args); i++ {
		switch word := args[i]; {
		case word == "--lines" && i+1 < len(args):
			i++
			lines, _ = strconv.Atoi(args[i])
		case word == "--version", word == "-v", !strings.HasPrefix(word, "-"):
			words = append(words, word)
		}
	}
	return words, lines
}

// pm2App finds an app by name or by id.
func (n *Node) pm2App(name string) (id int, app *service) {
	for i, one := range n.services.of(PM2) {
		if one.Name == name || strconv.Itoa(i) == name {
			return i, one
		}
	}
	return 0, nil
}

func (n *Node) pm2Act(c *call, verb string, id int, name string, app *service) int {
	if verb != "stop" {
		c.printf("Use --update-env to update environment variables\n")
	}
	if app == nil {
		c.errorf("[PM2][ERROR] Process or Namespace %s not found\n", name)
		return 1
	}
	c.printf("[PM2] Applying action %sProcessId on app [%s](ids: [ %d ])\n", verb, app.Name, id)
	app.stop(c.ctx)
	if verb != "stop" {
		app.start()
	}
	c.printf("[PM2] [%s](%d) ✓\n", app.Name, id)
	return 0
}

func pm2Status(now status) string {
	switch now.phase {
	case settling, up:
		return "online"
	case stopping:
		return "stopping"
	case waiting:
		return "waiting restart"
	case failed:
		return "errored"
	}
	return "stopped"
}

func (n *Node) pm2List(c *call) int {
	type env struct {
		Name     string `json:"name"`
		Status   string `json:"status"`
		PMID     int    `json:"pm_id"`
		Uptime   int64  `json:"pm_uptime"` // Unix milliseconds of the last start
		Created  int64  `json:"created_at"`
		Restarts int    `json:"restart_time"`
		Unstable int    `json:"unstable_restarts"`
		ExitCode *int   `json:"exit_code,omitempty"`
		Path     string `json:"pm_exec_path"`
		Mode     string `json:"exec_mode"`
		OutLog   string `json:"pm_out_log_path"`
		ErrLog   string `json:"pm_err_log_path"`
	}
	type app struct {
		PID  int    `json:"pid"`
		Name string `json:"name"`
		Env  env    `json:"pm2_env"`
		PMID int    `json:"pm_id"`
	}
	apps := []app{}
	for i, one := range n.services.of(PM2) {
		now := one.look()
		e := env{
			Name: one.Name, Status: pm2Status(now), PMID: i, Restarts: now.pm2Restarts(), Unstable: now.restarts, Path: one.Exec[0], Mode: "fork_mode",
			OutLog: n.logFile(one.Unit, "stdout"), ErrLog: n.logFile(one.Unit, "stderr"),
		}
		if !now.started.IsZero() {
			e.Uptime, e.Created = now.started.UnixMilli(), now.started.UnixMilli()
		}
		if !now.exited.IsZero() {
			e.ExitCode = &now.exit.status
		}
		apps = append(apps, app{PID: now.pid, Name: one.Name, Env: e, PMID: i})
	}
	text, err := json.Marshal(apps)
	if err != nil {
		c.errorf("%v\n", err)
		return 1
	}
	c.printf("%s", text) // the real one ends without a newline too
	return 0
}

// pm2Restarts counts restarts by hand too, as pm2 does.
func (now status) pm2Restarts() int { return max(0, now.starts-1) }

func (n *Node) pm2Describe(c *call, id int, app *service) {
	now := app.look()
	running := "0"
	if now.running() {
		running = fmt.Sprintf("%ds", int(time.Since(now.started).Seconds()))
	}
	rows := [][2]string{
		{"status", pm2Status(now)},
		{"name", app.Name},
		{"namespace", "default"},
		{"restarts", strconv.Itoa(now.pm2Restarts())},
		{"uptime", running},
		{"script path", app.Exec[0]},
		{"error log path", n.logFile(app.Unit, "stderr")},
		{"out log path", n.logFile(app.Unit, "stdout")},
		{"script id", strconv.Itoa(id)},
		{"exec cwd", n.Home},
		{"exec mode", "fork_mode"},
		{"unstable restarts", strconv.Itoa(now.restarts)},
	}
	width := 0
	for _, row := range rows {
		width = max(width, len(row[1]))
	}
	c.printf(" Describing process with id %d - name %s \n", id, app.Name)
	c.printf("┌%s┬%s┐\n", strings.Repeat("─", 19), strings.Repeat("─", width+2))
	for _, row := range rows {
		c.printf("│ %-17s │ %-*s │\n", row[0], width, row[1])
	}
	c.printf("└%s┴%s┘\n", strings.Repeat("─", 19), strings.Repeat("─", width+2))
}

func (n *Node) pm2Logs(c *call, id int, name string, app *service, lines int) {
	c.printf("[TAILING] Tailing last %d lines for [%s] process (change the value with --lines option)\n", lines, name)
	if app == nil {
		return
	}
	for _, stream := range []string{"stdout", "stderr"} {
		c.printf("%s last %d lines:\n", n.logFile(app.Unit, stream), lines)
		for _, l := range n.journal.last(lines, func(l line) bool { return l.unit == app.Name && l.stream == stream }) {
			c.printf("%d|%-8s | %s\n", id, app.Name, l.text)
		}
		c.printf("\n")
	}
}
