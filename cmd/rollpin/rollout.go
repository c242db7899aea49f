package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/fleet"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/report"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/spf13/cobra"
)

// parallel is how many nodes are worked on at once, apart from the waves, unless --parallel says otherwise.
const parallel = 50

// rolloutCommand is deploy, stage and rollback: all of them take nodes to a release.
type rolloutCommand struct {
	*session
	target   target
	version  string
	artifact string
	rollback bool
	stage    bool
	dryRun   bool
	yes      bool
	// parallel is how many nodes are worked on at once, apart from the waves.
	parallel int
	// lock is a file with a lock made earlier.
	lock string
}

// register adds the flags that deploy, stage and rollback share.
func (r *rolloutCommand) register(c *cobra.Command) {
	r.target.register(c)
	r.target.registerService(c)
	c.Flags().BoolVar(&r.dryRun, "dry-run", false, "preflight and plan only; write nothing")
	c.Flags().IntVar(&r.parallel, "parallel", parallel, "`number` of nodes to work on at once, apart from the waves")
}

// registerVersion adds the flags that say what is installed.
func (r *rolloutCommand) registerVersion(c *cobra.Command) {
	r.target.set(c.Flags(), "allow-yanked", "service.allow_yanked", "")
	allowYanked := c.Flags().Lookup("allow-yanked")
	allowYanked.NoOptDefVal, allowYanked.Usage = "true", "deploy a version although its index withdrew it"
	c.Flags().StringVar(&r.version, "version", "", "`version`, instead of SERVICE==VERSION")
	r.registerArtifact(c)
	c.Flags().StringVar(&r.lock, "lock", "", "install what this `file` of rollpin lock says")
}

// named takes SERVICE[==VERSION] apart and keeps the version.
func (r *rolloutCommand) named(argument string) (service string, err error) {
	service, r.version, err = splitVersion(argument, r.version)
	return service, err
}

func (r *rolloutCommand) run(c *cobra.Command, service string) error {
	if r.parallel < 1 {
		return usageError{fmt.Errorf("--parallel is how many nodes at once, 1 or more, not %d", r.parallel)}
	}
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
	opened, closeFleet, err := r.openFleet(resolved, targets, id, reporter)
	if err != nil {
		reporter.Close()
		return err
	}
	defer closeFleet()
	if err := r.take(opened); err != nil {
		reporter.Close()
		return err
	}
	r.announce(resolved, targets, id)
	outcome := rollout.Run(r.ctx, r.soft, rollout.Deployment{
		ID: id, Rollback: r.rollback, Service: service, Environment: resolved.Environment, Version: r.version,
		Nodes: targets, Strategy: resolved.Strategy, StageOnly: r.stage, DryRun: r.dryRun, Parallel: r.parallel, Confirm: r.confirmation(reporter),
	}, opened, nil, reporter.Event)
	reporter.Close()
	if err := r.summarize(c, service, resolved.Environment, outcome); err != nil {
		return err
	}
	return outcomeError(r.soft, outcome)
}

// take gets the artifact in hand, and with it the version, before any node is asked.
func (r *rolloutCommand) take(f *fleet.Fleet) (err error) {
	if !r.rollback {
		r.version, err = f.Take(r.soft, r.artifact, r.version)
	}
	return err
}

func (r *rolloutCommand) openFleet(t config.Target, nodes []inventory.Node, id string, reporter report.Reporter) (*fleet.Fleet, func(), error) {
	options := fleet.Options{Deployment: id, Version: r.version, Ahead: r.stage}
	if r.lock != "" {
		text, err := os.ReadFile(r.lock)
		if err != nil {
			return nil, nil, usageError{fmt.Errorf("reading the lock: %w", err)}
		}
		options.Lock = string(text)
	}
	return r.open(t, nodes, options, r.ask(reporter))
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
	switch {
	case r.rollback:
		what = "rollback"
	case r.stage:
		what = "stage"
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
		Service: service, Environment: environment, Outcome: o, StageOnly: r.stage, Color: r.color(r.stdout),
		Flags: flags, BackFlags: repeat(c, "strategy", "canary", "bake", "max-failures", "on-failure", "allow-yanked", "lock", "artifact"),
	}.Write(r.stdout)
}

// deploymentID sorts by time: seconds in UTC, then four random letters for two that start in the same second.
func deploymentID(now time.Time) string {
	return now.UTC().Format("20060102T150405") + "-" + fmt.Sprintf("%.4s", rand.Text())
}
