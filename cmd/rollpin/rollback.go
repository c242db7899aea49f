package main

import (
	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/spf13/cobra"
)

const rollbackHelp = `Rollback takes the nodes of a service back to an earlier release, to the very files that ran then; no index is needed.

  rollpin rollback api -e production                    to what ran before the last deployment
  rollpin rollback api -e production --version 1.3.2    to a version that the nodes keep, or this machine

Without --version, the last deployment is undone if it did not come to its end: each node returns to what it ran before that deployment, and
nodes that it did not touch stay. Else the release that was activated last is undone: every node that runs it returns to what that node ran before it,
whichever deployment brought it there; nodes that run another release are left alone. It is fast: batches without a canary. Neither a node that
cannot be reached nor one that fails keeps the others from going back, unless the first batch fails as a whole.
Run twice, it goes back twice.`

func newRollback(s *session) *cobra.Command {
	return rollbackCommand(&rolloutCommand{session: s, verb: "rollback"})
}

func rollbackCommand(r *rolloutCommand) *cobra.Command {
	r.rollback, r.yes = true, true
	c := &cobra.Command{
		Use:     "rollback SERVICE -e ENV",
		Short:   "Take the nodes of a service back to an earlier release",
		Long:    rollbackHelp,
		Example: "  rollpin rollback api -e production",
		Args:    usage(oneService),
		RunE: func(c *cobra.Command, args []string) error {
			r.locked = func(t config.Target) error { return r.findUnfinished(args[0], t) }
			return r.run(c, args[0])
		},
	}
	r.register(c)
	r.target.set(c.Flags(), "batch", "strategy.rollback.batch", "`size` of the waves: 2 or 25%")
	c.Flags().StringVar(&r.version, "version", "", "`version` to go back to")
	return c
}

// findUnfinished finds the deployment to undo if the last one did not come to its end. Then the journal knows more than the nodes: a node that was
// never switched tells of the deployment before.
func (r *rolloutCommand) findUnfinished(service string, t config.Target) error {
	all, err := r.deployments(t.Environment, service, &t)
	if err != nil {
		return err
	}
	last, ok := journal.Unfinished(all)
	if !ok {
		return nil // what the nodes tell decides
	}
	if undo, err := last.Resume(); err == nil {
		r.undo, r.undoes = &undo, last.ID
	}
	return nil
}
