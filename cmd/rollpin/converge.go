package main

import (
	"fmt"

	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/spf13/cobra"
)

const convergeHelp = `Converge brings every node of a service to the environment's last known good release: stragglers that a deployment left out, new nodes,
rebuilt ones. Nodes that run it already are left alone. The last known good release is that of the newest deployment that ended with every
node on one release; rollpin history marks it.

  rollpin converge api -e production
  rollpin converge api -e production --skip-unreachable    without those that cannot be reached`

func newConverge(s *session) *cobra.Command { return convergeCommand(&rolloutCommand{session: s}) }

func convergeCommand(r *rolloutCommand) *cobra.Command {
	c := &cobra.Command{
		Use:     "converge SERVICE -e ENV",
		Short:   "Bring every node to the last known good release",
		Long:    convergeHelp,
		Example: "  rollpin converge api -e production",
		Args:    usage(oneService),
		RunE: func(c *cobra.Command, args []string) error {
			good, err := r.lastGood(args[0])
			if err != nil {
				return err
			}
			r.converge, r.version = good, release.VersionOf(good)
			return r.run(c, args[0])
		},
	}
	r.register(c)
	r.target.registerStrategy(c)
	c.Flags().BoolVarP(&r.yes, "yes", "y", false, "do not ask before the first node is touched")
	return c
}

// lastGood is the id of the last known good release.
func (r *rolloutCommand) lastGood(service string) (string, error) {
	all, err := r.deployments(r.target.environment, service)
	if err != nil {
		return "", err
	}
	good, ok := journal.LastGood(all)
	if !ok {
		return "", hinted{fmt.Errorf("no release of %s on %s is known to be good: no deployment ended with every node on it", service, r.target.environment),
			fmt.Sprintf("rollpin deploy %s==VERSION -e %s", service, r.target.environment)}
	}
	return good.Release.ID, nil
}
