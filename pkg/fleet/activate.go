package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollpin/rollpin/pkg/health"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/restart"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

// logLines is how much of a service's log an unhealthy node shows.
const logLines = 20

// Switch makes a release current.
func (f *Fleet) Switch(ctx context.Context, name string, s rollout.Switch) error {
	n := f.node(name)
	ctx, cancel := context.WithTimeout(ctx, f.layout.switchTimeout())
	defer cancel()
	record, ok := n.facts.Records[s.To]
	if !ok && s.Deployment != "" {
		return fmt.Errorf("release %s was not staged", s.To)
	}
	if s.Deployment != "" {
		record.Deployment = s.Deployment
		if !s.KeepPrevious {
			record.Previous = s.Previous
		}
		n.facts.Records[s.To] = record
	}
	record.ID = s.To
	return f.layout.switchTo(ctx, n, record, s.Deployment == "")
}

// Restart makes the service take up the current release and sees that it holds.
func (f *Fleet) Restart(ctx context.Context, name string) error {
	n := f.node(name)
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Restart)
	defer cancel()
	_, err := f.runGuarded(ctx, n, restart.Restart(f.service.Restart))
	return err
}

// Healthy waits until the node is healthy with release id. A node that does not become so shows the last lines of its service.
func (f *Fleet) Healthy(ctx context.Context, name, id string) error {
	n := f.node(name)
	err := f.watchHealth(ctx, n, func(ctx context.Context) error { return health.Wait(ctx, n.conn, f.service.Health, f.want(id)) })
	var unhealthy *health.UnhealthyError
	var dead *rollout.Failure
	switch {
	case errors.As(err, &dead):
		return f.explained(ctx, n, dead)
	case errors.As(err, &unhealthy):
		return f.explained(ctx, n, &rollout.Failure{Class: rollout.Unhealthy, Text: err.Error(), Err: err})
	}
	return failureOrNil(n.Name, err)
}

// Check asks the node once. A service that was started again since it was confirmed is not well, whatever it answers now.
func (f *Fleet) Check(ctx context.Context, name, id string) error {
	n := f.node(name)
	for _, answer := range f.Answers(ctx, name, id) {
		switch {
		case answer.Err != nil:
			return failure(name, answer.Err)
		case !answer.OK:
			return f.explained(ctx, n, &rollout.Failure{Class: rollout.Unhealthy, Text: answer.Text})
		}
	}
	if failure := f.changed(ctx, n); failure != nil {
		return f.explained(ctx, n, failure)
	}
	return nil
}

// Answers asks the node's checks once; id is the release that it should be running.
func (f *Fleet) Answers(ctx context.Context, name, id string) []health.Answer {
	return health.Once(ctx, f.node(name).conn, f.service.Health.Checks, f.want(id))
}

// Confirm remembers that release id was seen healthy on the node.
func (f *Fleet) Confirm(ctx context.Context, name, id string) error {
	n := f.node(name)
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Restart)
	defer cancel()
	script, err := shell.Join("confirm", release.Confirm(n.facts.Path, id), restart.Probe(f.service.Restart))
	if err != nil {
		return err
	}
	facts, err := f.runGuarded(ctx, n, script)
	n.confirmed = restart.ParseState(facts)
	return err
}

// Withdraw stops the service, where its kind of restart knows how, and removes current.
func (f *Fleet) Withdraw(ctx context.Context, name string) (stopped bool, err error) {
	n := f.node(name)
	ctx, cancel := context.WithTimeout(ctx, f.layout.switchTimeout())
	defer cancel()
	if script, ok := restart.Stop(f.service.Restart); ok {
		if _, err := f.run(ctx, n, script); err != nil {
			return false, err
		}
		stopped = true
	}
	if err := f.layout.withdraw(ctx, n); err != nil {
		return stopped, err
	}
	n.facts.Current = ""
	return stopped, nil
}

func (f *Fleet) want(id string) health.Want {
	return health.Want{Version: release.VersionOf(id), Same: f.Same}
}

// explained adds the service's last lines, or nothing: they only add to a failure that is known already. Where the node is found gone on the
// way to them, it was the node that was not well.
func (f *Fleet) explained(ctx context.Context, n *node, failure *rollout.Failure) *rollout.Failure {
	script, ok := restart.Logs(f.service.Restart, logLines)
	if !ok || failure.Class == rollout.Unreachable {
		return failure
	}
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Restart)
	defer cancel()
	result, err := n.conn.Run(ctx, script)
	if gone := lost(n.Name, err); gone != nil {
		failure.Class, failure.Text, failure.Hint = gone.Class, failure.Text+"; and the node is gone: "+gone.Text, gone.Hint
		return failure
	}
	var exit *shell.ExitError
	if errors.As(err, &exit) {
		result = exit.Result
	}
	failure.Log, failure.Hint = result.Facts().All("log"), result.Facts().Get("hint")
	return failure
}

func failureOrNil(node string, err error) error {
	if err == nil {
		return nil
	}
	return failure(node, err)
}
