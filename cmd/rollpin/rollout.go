package main

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/report"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/spf13/cobra"
)

// parallel is how many nodes are worked on at once, apart from the waves.
const parallel = 50

// rolloutCommand is deploy and rollback: both take nodes to a release.
type rolloutCommand struct {
	*session
	target   target
	version  string
	rollback bool
	dryRun   bool
	yes      bool
}

func (r *rolloutCommand) run(c *cobra.Command, service string) error {
	resolved, err := r.target.resolve(r.session, c, service)
	if err != nil {
		return err
	}
	targets, err := r.target.targets(r.session, c.Flags(), resolved)
	if err != nil {
		return err
	}
	id := deploymentID(time.Now())
	reporter := r.reporter()
	fleet, closeFleet, err := r.open(resolved, targets, r.version, id, r.ask(reporter))
	if err != nil {
		reporter.Close()
		return err
	}
	defer closeFleet()
	r.announce(resolved, targets, id)
	outcome := rollout.Run(r.ctx, r.soft, rollout.Deployment{
		ID: id, Rollback: r.rollback, Service: service, Environment: resolved.Environment, Version: r.version,
		Nodes: targets, Strategy: resolved.Strategy, DryRun: r.dryRun, Parallel: parallel, Confirm: r.confirmation(reporter),
	}, fleet, reporter.Event)
	reporter.Close()
	if err := r.summarize(c, service, resolved.Environment, outcome); err != nil {
		return err
	}
	return outcomeError(r.soft, outcome)
}

func (r *rolloutCommand) reporter() report.Reporter {
	if r.output == "json" {
		return report.JSON(r.stdout)
	}
	return report.New(report.Options{Err: r.stderr, Width: r.width(), Color: r.color(r.stderr), Verbose: r.verbose, Quiet: r.quiet})
}

// ask returns how to ask a person for a passphrase; nil where there is none.
func (r *rolloutCommand) ask(reporter report.Reporter) func(string) (string, error) {
	if !r.asks() {
		return nil
	}
	return func(prompt string) (answer string, err error) {
		reporter.Suspend(func() { answer, err = r.askSecret(prompt) })
		return answer, err
	}
}

func (r *rolloutCommand) announce(t config.Target, nodes []inventory.Node, id string) {
	if r.quiet || r.output == "json" {
		return
	}
	what := "deploy"
	if r.rollback {
		what = "rollback"
	}
	count := fmt.Sprintf("%d nodes", len(nodes))
	if len(nodes) == 1 {
		count = "1 node"
	}
	fmt.Fprintf(r.stderr, "%s %s on %s: %s, %s (%s)\n", what, t.Service.Name, t.Environment, count, t.Strategy.Name, id)
}

// confirmation asks before the first node is touched, where there is somebody to ask.
func (r *rolloutCommand) confirmation(reporter report.Reporter) func(plan.Plan) bool {
	if r.yes || !r.asks() {
		return nil
	}
	return func(p plan.Plan) (yes bool) {
		reporter.Suspend(func() { yes = r.confirm(fmt.Sprintf("Activate it on %d of %d nodes?", len(p.Steps()), p.Targets)) })
		return yes
	}
}

func (r *rolloutCommand) summarize(c *cobra.Command, service, environment string, o rollout.Outcome) error {
	if r.output == "json" {
		return nil
	}
	flags := repeat(c)
	if r.rollback && r.version != "" {
		flags = " --version " + word(r.version) + flags
	}
	return report.Summary{
		Service: service, Environment: environment, Outcome: o, Color: r.color(r.stdout),
		Flags: flags, BackFlags: repeat(c, "strategy", "canary", "bake", "max-failures", "on-failure", "allow-yanked"),
	}.Write(r.stdout)
}

// deploymentID sorts by time: seconds in UTC, then four random letters for two that start in the same second.
func deploymentID(now time.Time) string {
	return now.UTC().Format("20060102T150405") + "-" + fmt.Sprintf("%.4s", rand.Text())
}
