// Package restart builds the scripts that make a service manager take up a new release, and that see whether it holds.
//
// All of it is pure: a builder picks the text of a kind (systemd.sh, supervisor.sh, …) and hands it the verb and the name as variables.
// A script answers with facts and runs nothing that asks a question. The kinds:
//
//   - systemd: a unit of the system manager, by systemctl. Type=simple units that die at once are seen, because systemctl does not see them.
//   - supervisor: a program or a group (GROUP:*), by supervisorctl. Reload sends SIGHUP.
//   - runit: a service name under SVDIR or a service directory, by sv. Reload sends SIGHUP.
//   - pm2: an app that pm2 knows, by pm2 of the user who runs the script. See pm2.sh for how the app must have been started.
//   - command: a line for sh. Its working directory is /; a program that it leaves behind needs a log of its own, since what it prints goes to
//     a file that is removed when the line ends; it does not hold the SSH session open.
//   - none: nothing is done.
package restart

import (
	_ "embed" // the texts of the scripts
	"strconv"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/shell"
)

var (
	//go:embed common.sh
	commonText string
	//go:embed systemd.sh
	systemdText string
	//go:embed supervisor.sh
	supervisorText string
	//go:embed runit.sh
	runitText string
	//go:embed pm2.sh
	pm2Text string
	//go:embed command.sh
	commandText string
	//go:embed none.sh
	noneText string
)

// failureLines is how many lines of its log a service that did not come up shows.
const failureLines = 20

// Restart restarts or reloads the service and watches it for about a second: it ends with status 0 when the service holds. While a service is
// still starting it waits, so the caller's deadline bounds it. A service that is not running is started, also by reload.
//
// It dies with the reason, preceded by facts `log LINE` (the last 20 lines of the service and of its manager, where they can be had) and `hint`.
func Restart(r config.Restart) shell.Script {
	if r.Action == "reload" {
		return script("reload", r, failureLines)
	}
	return script("restart", r, failureLines)
}

// Stop stops the service and sees that it is stopped. It reports false for a kind that has no way to stop: command and none.
func Stop(r config.Restart) (shell.Script, bool) {
	return script("stop", r, failureLines), managed(r.Kind)
}

// Logs answers with facts `log LINE`: at most lines of the application's own last lines, oldest first. It reports false for a kind that keeps no
// log: command and none.
func Logs(r config.Restart, lines int) (shell.Script, bool) {
	return script("logs", r, lines), managed(r.Kind)
}

// Probe answers with what ParseState reads, and with facts `problem TEXT`, each followed by `hint TEXT` where a fix is known, for what would make
// Restart fail for certain: no such tool, unit, program or app. It changes nothing. A unit whose program does not exist yet is no problem.
func Probe(r config.Restart) shell.Script {
	return script("probe", r, failureLines)
}

func script(verb string, r config.Restart, lines int) shell.Script {
	return shell.Script{
		Name: verb,
		Vars: []shell.Var{{Name: "verb", Value: verb}, {Name: "name", Value: r.Name}, {Name: "lines", Value: strconv.Itoa(lines)}},
		Body: commonText + body(r.Kind),
	}
}

func body(kind string) string {
	switch kind {
	case "systemd":
		return systemdText
	case "supervisor":
		return supervisorText
	case "runit":
		return runitText
	case "pm2":
		return pm2Text
	case "command":
		return commandText
	default:
		return noneText
	}
}

func managed(kind string) bool {
	switch kind {
	case "systemd", "supervisor", "runit", "pm2":
		return true
	default:
		return false
	}
}
