package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rollpin/rollpin/pkg/fleet"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/spf13/cobra"
)

const lockHelp = `Lock writes down which packages, with their hashes, a deployment of a version would install, for every platform of the nodes. It writes
nothing on the nodes. Deploy and stage install from it with --lock.

  rollpin lock api==1.4.0 -e staging > api-1.4.0.lock
  rollpin deploy api --lock api-1.4.0.lock -e production

The release that comes of it has the same id wherever it is deployed.`

func newLock(s *session) *cobra.Command {
	r := &rolloutCommand{session: s, yes: true, dryRun: true, parallel: parallel}
	var file string
	c := &cobra.Command{
		Use:     "lock SERVICE[==VERSION|@VERSION] -e ENV",
		Short:   "Write down what a version would install",
		Long:    lockHelp,
		Example: "  rollpin lock api==1.4.0 -e staging > api-1.4.0.lock",
		Args:    usage(oneService),
		RunE: func(c *cobra.Command, args []string) error {
			service, err := r.named(args[0])
			if err != nil {
				return err
			}
			return r.look(c, service, func(opened *fleet.Fleet, o rollout.Outcome) error {
				locked, err := opened.LockFile(r.soft, o.Release)
				if err != nil {
					return err
				}
				text, err := locked.Text()
				if err != nil {
					return err
				}
				return r.writeOut(file, text)
			})
		},
	}
	r.target.register(c)
	r.target.registerService(c)
	c.Flags().StringVar(&r.version, "version", "", "`version`, instead of SERVICE==VERSION")
	r.registerArtifact(c)
	c.Flags().StringVar(&file, "file", "", "write to this `file` instead of standard output")
	return c
}

// look does preflight and plan, and then reads something of the fleet.
func (r *rolloutCommand) look(c *cobra.Command, service string, read func(*fleet.Fleet, rollout.Outcome) error) error {
	resolved, err := r.target.resolve(r.session, c, service)
	if err != nil {
		return err
	}
	targets, err := r.target.targets(r.session, c.Flags(), resolved)
	if err != nil {
		return err
	}
	opened, closeFleet, err := r.open(resolved, targets, fleet.Options{Version: r.version}, r.askOnTerminal())
	if err != nil {
		return err
	}
	defer closeFleet()
	if err := r.take(opened); err != nil {
		return err
	}
	outcome := rollout.Run(r.ctx, r.soft, rollout.Deployment{
		Service: service, Environment: resolved.Environment, Version: r.version, Nodes: targets, Strategy: resolved.Strategy, DryRun: true, Parallel: r.parallel,
	}, opened, nil, func(rollout.Event) {})
	if outcome.Status == rollout.Untouched || outcome.Status == rollout.Mixed {
		if err := r.summarize(c, rollout.Deployment{Service: service, Environment: resolved.Environment}, outcome); err != nil {
			return err
		}
		return outcomeError(r.soft, outcome)
	}
	return read(opened, outcome)
}

// askOnTerminal is how to ask for a passphrase where nothing else is on the screen; nil where there is nobody to ask.
func (s *session) askOnTerminal() func(string) (string, error) {
	if !s.asks() {
		return nil
	}
	return s.askSecret
}

// writeOut writes text to standard output, or to a file, which is there whole or not at all.
func (s *session) writeOut(file, text string) error {
	if file == "" {
		_, err := fmt.Fprint(s.stdout, text)
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-")
	if err != nil {
		return usageError{err}
	}
	_, err = temp.WriteString(text)
	if err = errors.Join(err, temp.Chmod(0o644), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
