package health

import (
	"context"
	_ "embed" // the text of the script
	"errors"

	"github.com/rollpin/rollpin/pkg/shell"
)

//go:embed systemd.sh
var systemdText string

// systemdProbe passes if a unit is active, and the same start of it as in the round before: a unit that dies and comes back is active too.
type systemdProbe struct {
	node Node
	unit string
	seen *start
}

// start tells one start of a unit from the next. Systemd before 235 has no count, before 232 no invocation.
type start struct{ restarts, invocation string }

func (p *systemdProbe) ask(ctx context.Context) (verdict, error) {
	facts, err := run(ctx, p.node, shell.Script{Name: "health", Vars: []shell.Var{{Name: "unit", Value: p.unit}}, Body: systemdText})
	var exit *shell.ExitError
	switch {
	case err != nil && !errors.As(err, &exit) && isFault(ctx, err):
		return verdict{}, err
	case err != nil:
		return failed("cannot be asked: %v", err), nil
	}
	return p.judge(facts), nil
}

func (p *systemdProbe) judge(facts shell.Facts) verdict {
	before, now := p.seen, start{facts.Get("NRestarts"), facts.Get("InvocationID")}
	p.seen = &now
	active, sub := facts.Get("ActiveState"), facts.Get("SubState")
	switch {
	case facts.Get("LoadState") == "not-found":
		return failed("systemd knows no such unit")
	case active != "active" && active != "reloading":
		return failed("is %s (%s), last result %s", active, sub, facts.Get("Result"))
	case before != nil && *before != now && now.restarts != "":
		return failed("was started again (restarts %s)", now.restarts)
	case before != nil && *before != now:
		return failed("was started again")
	}
	return passed("is %s (%s)", active, sub)
}
