package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/spf13/cobra"
)

const resumeHelp = `Resume goes on with a deployment that ended before its time: after a failure that has been mended, an interrupt, a kill, a power cut. It
asks every node what is true there, skips what is done, repeats what is not, and keeps the plan, the release, and what is left of the
failure budget. A deployment that left nodes out with --skip-unreachable takes them along now.

  rollpin resume last                       the newest deployment that this machine, or Consul, knows of
  rollpin resume last api -e production     the same, of one service
  rollpin resume 20261121T1015              the beginning of an id is enough

It refuses when somebody else deployed since. rollpin rollback undoes what a deployment did, whether it came to its end or not.`

func newResume(s *session) *cobra.Command {
	var environment string
	r := &rolloutCommand{session: s, verb: "resume"}
	c := &cobra.Command{
		Use:     "resume ID|last [SERVICE] [-e ENV]",
		Short:   "Go on with a deployment that ended before its time",
		Long:    resumeHelp,
		Example: "  rollpin resume last",
		Args:    usage(idAndService),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := s.deployments(environment, optional(args, 1), nil)
			if err != nil {
				return err
			}
			d, err := findResumable(all, args[0])
			if err != nil {
				return err
			}
			return r.resume(d)
		},
	}
	r.registerRun(c)
	c.Flags().StringVarP(&environment, "env", "e", "", "only of this `environment`")
	c.ValidArgsFunction = s.completingIDs(&environment)
	return c
}

// findResumable returns the deployment that ref means. One that a person declined was never begun.
func findResumable(all []journal.Deployment, ref string) (journal.Deployment, error) {
	begun := slices.DeleteFunc(slices.Clone(all), func(d journal.Deployment) bool { return ref == "last" && d.Why == rollout.Declined })
	d, err := journal.Find(begun, ref)
	if err != nil {
		return d, usageError{err}
	}
	return d, resumable(d, all)
}

// resume goes on with d. What it goes by is read once more with the lock in hand: another run may have gone on with it in the meantime.
func (r *rolloutCommand) resume(d journal.Deployment) error {
	how := *r // the flags of this run; those of the first say what it does
	c := r.commandOf(d)
	r.parallel, r.reason, r.wait, r.localLock, r.skipUnreachable = how.parallel, how.reason, how.wait, how.localLock, how.skipUnreachable
	if err := r.backThere(d); err != nil {
		return err
	}
	if r.artifact != "" && !strings.Contains(r.artifact, "://") {
		if _, err := os.Stat(r.artifact); err != nil {
			r.artifact = "" // the nodes, or the cache, may have the release; if not, that is said
		}
	}
	r.version, r.yes, r.earlier = d.Asked.Version, d.Touched(), &d
	r.locked = func(t config.Target) error {
		all, err := r.deployments(d.Environment, d.Service, &t)
		if err != nil {
			return err
		}
		now, err := findResumable(all, d.ID)
		r.earlier = &now
		return err
	}
	return r.run(c, d.Service)
}

// resumable refuses what is over: what was never more than a stage or never had a plan, and what another deployment came after.
func resumable(d journal.Deployment, all []journal.Deployment) error {
	newer := slices.IndexFunc(all, func(other journal.Deployment) bool {
		return other.ID > d.ID && other.Environment == d.Environment && other.Service == d.Service && other.Touched()
	})
	switch {
	case d.Asked.Command == "stage":
		return usageError{hinted{errors.New("it is a mere stage"), againCommand(d)}}
	case newer >= 0:
		return hinted{fmt.Errorf("somebody else deployed since: %s", all[newer].Title()+" "+all[newer].ID), "rollpin show " + all[newer].ID + "; to do it all the same: " + againCommand(d)}
	}
	if _, err := d.Resume(); err != nil {
		return hinted{fmt.Errorf("there is nothing to go on with: %w", err), againCommand(d)}
	}
	return nil
}

// againCommand begins a deployment anew.
func againCommand(d journal.Deployment) string {
	target := d.Service
	if version := cmp.Or(d.Release.Version, d.Asked.Version); version != "" && d.Asked.Command != "rollback" && d.Asked.Command != "converge" {
		target += "==" + version
	}
	words := []string{"rollpin", cmp.Or(d.Asked.Command, "deploy"), target, "-e", d.Environment}
	for _, flag := range d.Asked.Flags {
		words = append(words, word(flag))
	}
	return strings.Join(words, " ")
}

// commandOf reads the flags of the deployment's first run into r, and returns the command that has them.
func (r *rolloutCommand) commandOf(d journal.Deployment) *cobra.Command {
	make := map[string]func(*rolloutCommand) *cobra.Command{"rollback": rollbackCommand, "converge": convergeCommand}[d.Asked.Command]
	if make == nil {
		make = deployCommand
	}
	c := make(r)
	file := c.Flags().StringP("config", "c", "", "")
	// Flags that this rollpin does not know were of another one; what can be understood decides.
	c.FParseErrWhitelist.UnknownFlags = true
	_ = c.ParseFlags(append(slices.Clone(d.Asked.Flags), "--env="+d.Environment))
	if r.configFile == "" {
		r.configFile = *file
	} else if absolute, err := filepath.Abs(r.configFile); err == nil {
		r.configFile = absolute // it is of here, not of there
	}
	return c
}

// backThere goes to where the first run was started, if that was on this machine: its configuration and files are found from there.
func (r *rolloutCommand) backThere(d journal.Deployment) error {
	host, err := os.Hostname()
	if err != nil || len(d.Runs) == 0 || d.Runs[0].By == nil || d.Runs[0].By.Host != host || d.Asked.Dir == "" {
		return nil
	}
	if here, err := os.Getwd(); err == nil && here == d.Asked.Dir {
		return nil
	}
	if err := os.Chdir(d.Asked.Dir); err != nil {
		fmt.Fprintf(r.stderr, "warning: it was started in %s, which is gone: configuration is looked for here\n", d.Asked.Dir)
	}
	return nil
}

// stillThere are the targets of the earlier run that discovery still has.
func (r *rolloutCommand) stillThere(found []inventory.Node) ([]inventory.Node, error) {
	known := slices.DeleteFunc(found, func(n inventory.Node) bool { return !slices.Contains(r.earlier.Asked.Nodes, n.Name) })
	var gone []string
	for _, name := range r.earlier.Asked.Nodes {
		if !slices.ContainsFunc(known, func(n inventory.Node) bool { return n.Name == name }) {
			gone = append(gone, name)
		}
	}
	if len(gone) > 0 {
		fmt.Fprintf(r.stderr, "warning: discovery has no longer %s: no targets any more\n", strings.Join(gone, " "))
	}
	if len(known) == 0 {
		return nil, &rollout.Stop{Why: rollout.Preflight, Err: errors.New("discovery has none of its nodes any more")}
	}
	return known, nil
}
