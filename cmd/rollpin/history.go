package main

import (
	"errors"
	"fmt"

	"github.com/rollpin/rollpin/pkg/report"
	"github.com/spf13/cobra"
)

const historyHelp = `History lists the deployments of an environment, the newest first: what, when, by whom and from which CI job, how it ended and how long it
took. The deployment of the last known good release is marked: the newest one that ended with every node on one release.

  rollpin history api -e production               one service
  rollpin history -e production                   every service
  rollpin history api -e production --limit 5     the last five, and the last known good one

rollpin show ID tells more of one. Journals stand under ~/.local/state/rollpin (XDG_STATE_HOME).`

func newHistory(s *session) *cobra.Command {
	var environment string
	limit := 20
	c := &cobra.Command{
		Use:     "history [SERVICE] -e ENV",
		Short:   "List deployments: who, when, what, outcome",
		Long:    historyHelp,
		Example: "  rollpin history api -e production",
		Args:    usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if environment == "" {
				return usageError{hinted{errors.New("no environment"), c.Root().Name() + " " + c.Use}}
			}
			if limit < 0 {
				return usageError{fmt.Errorf("--limit is how many to show, 0 for all, not %d", limit)}
			}
			return s.history(environment, optional(args, 0), limit)
		},
	}
	c.Flags().StringVarP(&environment, "env", "e", "", "`environment` (required)")
	c.Flags().IntVar(&limit, "limit", limit, "`number` of deployments of each service; 0 for all")
	return c
}

// optional returns the argument at a place, or "".
func optional(args []string, at int) string {
	if at < len(args) {
		return args[at]
	}
	return ""
}

func (s *session) history(environment, service string, limit int) error {
	all, err := s.deployments(environment, service, nil)
	if err != nil {
		return err
	}
	histories := report.Histories(all, limit)
	if s.output == "json" {
		return report.WriteHistoryJSON(s.stdout, histories)
	}
	if len(histories) == 0 {
		what := "deployment"
		if service != "" {
			what += " of " + service
		}
		_, err := fmt.Fprintf(s.stdout, "no %s on %s is known here\n", what, environment)
		return err
	}
	return report.WriteHistory(s.stdout, histories, s.color(s.stdout))
}
