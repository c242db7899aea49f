package main

import (
	"fmt"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/spf13/cobra"
)

const convergeHelp = `Converge brings every node of a service to the environment's last known good release: stragglers that a deployment left out, new nodes,
rebuilt ones. Nodes that run it already are left alone. The last known good release is that of the newest deployment that ended with every
node on one release; rollpin history marks it.

  rollpin converge api -e production
  rollpin converge api -e production --skip-unreachable    without those that cannot be reached`

func newConverge(s *session) *cobra.Command {
	return convergeCommand(&rolloutCommand{session: s, verb: "converge"})
}

func convergeCommand(r *rolloutCommand) *cobra.Command {
	c := &cobra.Command{
		Use:     "converge SERVICE -e ENV",
		Short:   "Bring every node to the last known good release",
		Long:    convergeHelp,
		Example: "  rollpin converge api -e production",
		Args:    usage(oneService),
		RunE: func(c *cobra.Command, args []string) error {
			if r.target.environment == "" {
				return r.run(c, args[0]) // which says so
			}
			// At once, for an early word; and again when nobody else can change it any more.
			if err := r.aimAtLastGood(args[0], nil); err != nil {
				return err
			}
			r.locked = func(t config.Target) error { return r.aimAtLastGood(args[0], &t) }
			return r.run(c, args[0])
		},
	}
	r.register(c)
	r.target.registerStrategy(c)
	c.Flags().BoolVarP(&r.yes, "yes", "y", false, "do not ask before the first node is touched")
	return c
}

// aimAtLastGood sets the last known good release as the one to go to.
func (r *rolloutCommand) aimAtLastGood(service string, t *config.Target) error {
	all, err := r.deployments(r.target.environment, service, t)
	if err != nil {
		return err
	}
	good, ok := journal.LastGood(all)
	if !ok {
		return hinted{fmt.Errorf("no release of %s on %s is known to be good: no deployment ended with every node on it", service, r.target.environment),
			fmt.Sprintf("rollpin deploy %s==VERSION -e %s", service, r.target.environment)}
	}
	r.release, r.version = good.Release.ID, good.Release.Version
	return nil
}
