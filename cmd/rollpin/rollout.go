package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/fleet"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/journal"
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
	// reason is why it is done, for others to read; wait is how long to wait for the lock.
	reason string
	wait   time.Duration
	// localLock takes the lock of this machine, wherever the configuration has it.
	localLock bool
	// skipUnreachable leaves nodes out that cannot be reached.
	skipUnreachable bool
	// verb is the word after rollpin, for the record.
	verb string
	// release is the id to go to, whatever the index has now; empty to find out.
	release string
	// earlier is a deployment to go on with; nil for a new one.
	earlier *journal.Deployment
	// undo is the last deployment, and undoes its id, where that did not come to its end and this is a rollback.
	undo   *rollout.Resume
	undoes string
	// locked is called with the lock in hand, to read what the run goes by: what was read before may be history. Nil for nothing.
	locked func(config.Target) error
}

// register adds the flags that deploy, stage, rollback and converge share.
func (r *rolloutCommand) register(c *cobra.Command) {
	r.target.register(c)
	r.target.registerService(c)
	c.Flags().BoolVar(&r.dryRun, "dry-run", false, "preflight and plan only; write nothing")
	r.registerRun(c)
}

// registerRun adds the flags that say how a run goes, and not what it does: resume has them, too.
func (r *rolloutCommand) registerRun(c *cobra.Command) {
	c.Flags().IntVar(&r.parallel, "parallel", parallel, "`number` of nodes to work on at once, apart from the waves")
	c.Flags().StringVar(&r.reason, "reason", "", "`text` for whoever waits for the lock or reads the history")
	c.Flags().DurationVar(&r.wait, "wait", 0, "wait up to this `time` for another deployment of the service to end, such as 10m")
	c.Flags().BoolVar(&r.localLock, "local-lock", false, "take the lock of this machine while Consul cannot give one; the nodes still keep others out")
	c.Flags().BoolVar(&r.skipUnreachable, "skip-unreachable", false, "leave out nodes that cannot be reached; resume or converge takes them along later")
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
	if err := r.checkWait(); err != nil {
		return err
	}
	resolved, err := r.target.resolve(r.session, c, service)
	if err != nil {
		return err
	}
	targets, err := r.targets(c, resolved)
	if err != nil {
		return err
	}
	held, err := r.hold(resolved)
	if err != nil {
		return err
	}
	defer held.end()
	if r.locked != nil {
		if err := r.locked(resolved); err != nil {
			return err
		}
	}
	if held.waited {
		if targets, err = r.targets(c, resolved); err != nil {
			return err
		}
	}
	return r.runHeld(c, resolved, targets, held)
}

// runHeld is run with the lock in hand.
func (r *rolloutCommand) runHeld(c *cobra.Command, t config.Target, targets []inventory.Node, held *held) error {
	deployment, err := r.deployment(c, t, targets, held)
	if err != nil {
		return err
	}
	reporter := r.reporter()
	opened, closeFleet, err := r.openFleet(t, targets, held, reporter)
	if err != nil {
		reporter.Close()
		return err
	}
	defer closeFleet()
	if err := r.take(opened); err != nil {
		reporter.Close()
		return err
	}
	deployment.Version = r.version
	deployment.Confirm = r.confirmation(reporter)
	r.announce(t, targets, deployment.ID)
	record, err := r.record(held, t, deployment.ID)
	if err != nil {
		reporter.Close()
		return err
	}
	outcome := rollout.Run(r.ctx, held.soft, deployment, opened, record, reporter.Event)
	reporter.Close()
	// Whoever ends the process soon after a signal must not cut off the last block.
	err = r.summarize(c, deployment, outcome)
	if closing := closeRecord(r.ctx, record); closing != nil && !strings.Contains(outcome.Interrupted, closing.Error()) {
		fmt.Fprintln(r.stderr, "warning:", report.Clean(closing.Error()))
	}
	if err != nil {
		return err
	}
	return outcomeError(held.soft, outcome)
}

// targets asks discovery; a deployment that is gone on with keeps those that it had, as far as they are still there.
func (r *rolloutCommand) targets(c *cobra.Command, t config.Target) ([]inventory.Node, error) {
	if r.earlier == nil {
		return r.target.targets(r.session, c.Flags(), t)
	}
	found, err := r.nodes(t, t.Service.Role)
	if err != nil {
		return nil, err
	}
	return r.stillThere(found)
}

// deployment is the request, but for what comes with an artifact.
func (r *rolloutCommand) deployment(c *cobra.Command, t config.Target, targets []inventory.Node, held *held) (rollout.Deployment, error) {
	d := rollout.Deployment{
		ID: held.by.Deployment, Rollback: r.rollback, Service: t.Service.Name, Environment: t.Environment, Nodes: targets, Strategy: t.Strategy,
		StageOnly: r.stage, DryRun: r.dryRun, Parallel: r.parallel, SkipUnreachable: r.skipUnreachable, Release: r.release, Undo: r.undo, Undoes: r.undoes,
		By: held.by, Asked: r.asked(c, targets),
	}
	if r.earlier == nil {
		return d, nil
	}
	resume, err := r.earlier.Resume()
	d.Resume = &resume
	return d, err
}

// take gets the artifact in hand, and with it the version, before any node is asked.
func (r *rolloutCommand) take(f *fleet.Fleet) (err error) {
	if !r.rollback {
		r.version, err = f.Take(r.soft, r.artifact, r.version)
	}
	return err
}

func (r *rolloutCommand) openFleet(t config.Target, nodes []inventory.Node, held *held, reporter report.Reporter) (*fleet.Fleet, func(), error) {
	options := fleet.Options{Deployment: held.by.Deployment, By: held.by, Domain: held.domain, Version: r.version, Ahead: r.stage}
	if r.lock != "" {
		text, err := os.ReadFile(r.lock)
		if err != nil && r.earlier == nil { // what is gone on with may be on the nodes; if not, that is said
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
	count := fmt.Sprintf("%d nodes", len(nodes))
	if len(nodes) == 1 {
		count = "1 node"
	}
	fmt.Fprintf(r.stderr, "%s %s on %s: %s, %s (%s)\n", r.verb, t.Service.Name, t.Environment, count, t.Strategy.Name, id)
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

func (r *rolloutCommand) summarize(c *cobra.Command, d rollout.Deployment, o rollout.Outcome) error {
	if r.output == "json" {
		return nil
	}
	flags := repeat(c)
	if r.rollback && r.version != "" {
		flags = " --version " + word(r.version) + flags
	}
	id := d.ID
	if r.dryRun || r.stage {
		id = ""
	}
	return report.Summary{
		Service: d.Service, Environment: d.Environment, Deployment: id, Resumed: r.earlier != nil, Outcome: o, StageOnly: r.stage, Color: r.color(r.stdout),
		Flags: flags, BackFlags: repeat(c, "strategy", "canary", "bake", "max-failures", "on-failure", "allow-yanked", "lock", "artifact"),
	}.Write(r.stdout)
}
