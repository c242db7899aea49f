package main

import (
	"errors"

	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/report"
	"github.com/spf13/cobra"
)

const showHelp = `Show tells all that is known of one deployment: who ran it, its waves with their gates and decisions, every node with its steps and how long
they took, and what failed with the end of its output.

  rollpin show last                       the newest deployment that was more than a dry run or a stage
  rollpin show last api -e production     the same, of one service
  rollpin show 20261121T1015              the beginning of an id is enough

rollpin history -e ENV lists the ids. A node whose switch began and was not seen to end is in doubt: rollpin status asks it.`

func newShow(s *session) *cobra.Command {
	var environment string
	c := &cobra.Command{
		Use:     "show ID|last [SERVICE] [-e ENV]",
		Short:   "Show one deployment: waves, nodes, steps, failures",
		Long:    showHelp,
		Example: "  rollpin show last api -e production",
		Args:    usage(idAndService),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := s.deployments(environment, optional(args, 1), nil)
			if err != nil {
				return err
			}
			d, err := journal.Find(all, args[0])
			if err != nil {
				return usageError{err}
			}
			if s.output == "json" {
				return report.WriteShowJSON(s.stdout, d)
			}
			return report.WriteShow(s.stdout, d, s.color(s.stdout))
		},
	}
	c.Flags().StringVarP(&environment, "env", "e", "", "only of this `environment`")
	c.ValidArgsFunction = s.completingIDs(&environment)
	return c
}

func idAndService(c *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("ID is missing: the beginning of a deployment's id, or last")
	case 1, 2:
		return nil
	}
	return errors.New(c.Name() + " takes an id and a service, no more")
}
