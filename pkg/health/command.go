package health

import (
	"context"
	_ "embed" // the text of the script
	"errors"

	"github.com/rollpin/rollpin/pkg/shell"
)

//go:embed command.sh
var commandText string

// commandProbe passes if a shell line ends with status 0 on the node.
type commandProbe struct {
	node Node
	line string
}

func (p commandProbe) ask(ctx context.Context) (verdict, error) {
	facts, err := run(ctx, p.node, shell.Script{Name: "health", Vars: []shell.Var{{Name: "line", Value: p.line}}, Body: commandText})
	var exit *shell.ExitError
	switch {
	case errors.As(err, &exit) && exit.Signal != "":
		return failed("ended by SIG%s", exit.Signal).with(facts.Text("said")), nil
	case errors.As(err, &exit):
		return failed("ended with status %d", exit.Status).with(facts.Text("said")), nil
	case err != nil && isFault(ctx, err):
		return verdict{}, err
	case err != nil:
		return failed("%v", err), nil
	}
	return passed("ended with status 0").with(facts.Text("said")), nil
}

// run returns the script's facts also when it fails.
func run(ctx context.Context, n Node, s shell.Script) (shell.Facts, error) {
	result, err := n.Run(ctx, s)
	var exit *shell.ExitError
	if errors.As(err, &exit) {
		return exit.Result.Facts(), err
	}
	return result.Facts(), err
}

// isFault tells whether a script that did not run to its end says something about the node, rather than that it took too long.
func isFault(ctx context.Context, err error) bool { return hinted(err) || ctx.Err() == nil }
