package release

import (
	"strconv"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/shell"
)

// Guard is PATH/.rollpin/guard, the node's own defence against a second deployer that shares no lock with the first. Its three lines are the
// deployment, the domain, and who it is, as JSON; its date is when the deployment was last there.
type Guard struct {
	// Deployment names a run of a deployment; it is part of a file's name.
	Deployment string
	// Domain names the lock that the deployment holds: whoever holds the same one later knows that the deployment is over.
	Domain string
	// Holder is JSON.
	Holder string
	// Age is since when the deployment was not there, by the node's clock.
	Age time.Duration
}

// TakeGuard makes the node g's own, or keeps it so. A guard of another domain that is younger than ttl stays: then the script fails, and its
// fact `guarded` is the other's Holder. Its fact `guard` tells that it was taken, which needs some room on the disk.
func TakeGuard(path string, g Guard, ttl time.Duration) shell.Script {
	return script("guard", shell.Var{Name: "path", Value: path}, shell.Var{Name: "deployment", Value: g.Deployment},
		shell.Var{Name: "domain", Value: g.Domain}, shell.Var{Name: "holder", Value: strings.ReplaceAll(g.Holder, "\n", " ")},
		shell.Var{Name: "ttl", Value: strconv.Itoa(int(ttl.Seconds()))})
}

// Guarded makes s fail, before it does anything, on a node that is not the deployment's any more. Its fact `guarded` is who took it then.
func Guarded(s shell.Script, path, deployment string) shell.Script {
	s.Vars = append(s.Vars, shell.Var{Name: "guard", Value: path + "/.rollpin/guard"}, shell.Var{Name: "guardian", Value: deployment})
	s.Body = text("guarded") + s.Body
	return s
}

// Unguard gives the node back, if it is the deployment's.
func Unguard(path, deployment string) shell.Script {
	return script("unguard", shell.Var{Name: "path", Value: path}, shell.Var{Name: "deployment", Value: deployment})
}

// parseGuard reads the guard from the answer of Probe; nil for none.
func parseGuard(facts shell.Facts) *Guard {
	lines := facts.All("guard")
	if len(lines) == 0 {
		return nil
	}
	lines = append(lines, "", "", "")
	age, _ := strconv.Atoi(facts.Get("guardage"))
	return &Guard{Deployment: lines[0], Domain: lines[1], Holder: lines[2], Age: time.Duration(age) * time.Second}
}
