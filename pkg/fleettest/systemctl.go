//go:build unix

package fleettest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// systemctl answers as systemd 252 does.
func (n *Node) systemctl(c *call) int {
	request, err := parseSystemctl(c.args)
	if err != nil {
		c.errorf("%v\n", err)
		return 1
	}
	if request.version {
		c.printf("systemd 252 (252.39-1~deb12u2)\n")
		return 0
	}
	if len(request.units) == 0 {
		c.errorf("Too few arguments.\n")
		return 1
	}
	status := 0
	for i, name := range request.units {
		unit := n.services.find(Systemd, name)
		switch request.verb {
		case "show":
			if i > 0 {
				c.printf("\n")
			}
			n.show(c, request, name, unit)
		case "is-active", "is-failed":
			status = cmp.Or(isActive(c, request, unit), status)
		default:
			status = cmp.Or(job(c, request.verb, name, unit), status)
		}
	}
	return status
}

type systemctlRequest struct {
	verb         string
	units        []string
	properties   []string
	value, quiet bool
	unixTime     bool
	version      bool
}

func parseSystemctl(args []string) (r systemctlRequest, err error) {
	for len(args) > 0 {
		word, value, hasValue := strings.Cut(args[0], "=")
		args = args[1:]
		takes := slices.Contains([]string{"-p", "--property", "-P", "--timestamp"}, word)
		if takes && !hasValue {
			if len(args) == 0 {
				return r, fmt.Errorf("systemctl: option requires an argument -- '%s'", strings.TrimLeft(word, "-"))
			}
			value, args = args[0], args[1:]
		}
		switch word {
		case "-p", "--property":
			r.properties = append(r.properties, strings.Split(value, ",")...)
		case "-P":
			r.properties, r.value = append(r.properties, strings.Split(value, ",")...), true
		case "--timestamp":
			r.unixTime = value == "unix"
		case "--value":
			r.value = true
		case "-q", "--quiet":
			r.quiet = true
		case "--version":
			r.version = true
		case "--no-pager", "--system", "--no-ask-password", "--", "-l", "--full":
		default:
			if strings.HasPrefix(word, "-") {
				return r, fmt.Errorf("systemctl: unrecognized option '%s'", word)
			}
			if r.verb == "" {
				r.verb = word
			} else {
				r.units = append(r.units, unitName(word))
			}
		}
	}
	return r, nil
}

func unitName(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return name + ".service"
}

// job runs a verb that changes a unit.
func job(c *call, verb, name string, unit *service) int {
	if unit == nil {
		return noUnit(c, verb, name)
	}
	switch verb {
	case "start":
		return started(c, unit, unit.start())
	case "restart":
		unit.stop(c.ctx)
		return started(c, unit, unit.start())
	case "reload-or-restart", "try-reload-or-restart":
		if unit.CanReload && unit.signal(syscall.SIGHUP) {
			return 0
		}
		return job(c, "restart", name, unit)
	case "stop":
		unit.stop(c.ctx)
		return 0
	case "reset-failed":
		unit.reset()
		return 0
	case "reload":
		if !unit.CanReload {
			c.errorf("Failed to reload %s: Job type reload is not applicable for unit %s.\n", name, name)
			return 1
		}
		if !unit.signal(syscall.SIGHUP) {
			c.errorf("%s is not active, cannot reload.\n", name)
			return 1
		}
		return 0
	}
	c.errorf("Unknown command verb %s.\n", verb)
	return 1
}

func noUnit(c *call, verb, name string) int {
	loaded := "found"
	switch verb {
	case "stop":
		loaded = "loaded"
	case "reset-failed":
		verb, loaded = "reset failed state of unit", "loaded"
	}
	c.errorf("Failed to %s %s: Unit %s not %s.\n", verb, name, name, loaded)
	return 5
}

// started says what systemctl says after a start. A Type=simple unit that dies at once has started well.
func started(c *call, unit *service, accepted bool) int {
	if accepted {
		return 0
	}
	why := "the control process exited with error code"
	result := unit.look().result
	switch result {
	case "signal":
		why = "a fatal signal was delivered to the control process"
	case "start-limit-hit":
		why = "start of the service was attempted too often"
	}
	c.errorf("Job for %s failed because %s.\n", unit.Name, why)
	c.errorf("See \"systemctl status %s\" and \"journalctl -xeu %s\" for details.\n", unit.Name, unit.Name)
	if result == "start-limit-hit" {
		c.errorf("To force a start use \"systemctl reset-failed %s\"\nfollowed by \"systemctl start %s\" again.\n", unit.Name, unit.Name)
	}
	return 1
}

// isActive answers is-active and is-failed.
func isActive(c *call, r systemctlRequest, unit *service) int {
	state, missing := "inactive", 4
	if unit != nil {
		state, _ = activeState(unit.look().phase)
		missing = 3
	}
	if !r.quiet {
		c.printf("%s\n", state)
	}
	if r.verb == "is-failed" {
		if state == "failed" {
			return 0
		}
		return 1
	}
	if state == "active" {
		return 0
	}
	return missing
}

func activeState(p phase) (active, sub string) {
	switch p {
	case settling, up:
		return "active", "running"
	case stopping:
		return "deactivating", "stop-sigterm"
	case waiting:
		return "activating", "auto-restart"
	case failed:
		return "failed", "failed"
	}
	return "inactive", "dead"
}

// show prints properties in systemd's order, whatever the order in which they were asked for. An unknown property is left out.
func (n *Node) show(c *call, r systemctlRequest, name string, unit *service) {
	for _, p := range properties(name, unit, r.unixTime) {
		if len(r.properties) > 0 && !slices.Contains(r.properties, p.name) {
			continue
		}
		if len(r.properties) == 0 && p.value == "" {
			continue
		}
		if !r.value {
			c.printf("%s=", p.name)
		}
		c.printf("%s\n", p.value)
	}
}

type property struct{ name, value string }

func properties(name string, unit *service, unixTime bool) []property {
	var now status
	declared, loaded := Unit{Restart: "no"}, "not-found"
	if unit != nil {
		now, declared, loaded = unit.look(), unit.Unit, "loaded"
	}
	active, sub := activeState(now.phase)
	code := 0
	if !now.exited.IsZero() {
		code = 1
		if now.exit.signal != 0 {
			code = 2
		}
	}
	return []property{
		{"Type", "simple"},
		{"Restart", cmp.Or(declared.Restart, "no")},
		{"MainPID", strconv.Itoa(now.pid)},
		{"Result", cmp.Or(now.result, "success")},
		{"NRestarts", strconv.Itoa(now.restarts)},
		{"ExecMainStartTimestamp", timestamp(now.started, unixTime)},
		{"ExecMainExitTimestamp", timestamp(now.exited, unixTime)},
		{"ExecMainPID", strconv.Itoa(now.mainPID)},
		{"ExecMainCode", strconv.Itoa(code)},
		{"ExecMainStatus", strconv.Itoa(now.exit.status)},
		{"Id", name},
		{"LoadState", loaded},
		{"ActiveState", active},
		{"SubState", sub},
		{"StateChangeTimestamp", timestamp(now.since, unixTime)},
		{"ActiveEnterTimestamp", timestamp(now.started, unixTime)},
		{"CanReload", yesNo(declared.CanReload)},
		{"InvocationID", now.invocation},
	}
}

func timestamp(t time.Time, unixTime bool) string {
	switch {
	case t.IsZero():
		return ""
	case unixTime:
		return "@" + strconv.FormatInt(t.Unix(), 10)
	}
	return t.Format("Mon 2006-01-02 15:04:05 MST")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
