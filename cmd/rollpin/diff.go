package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rollpin/rollpin/pkg/fleet"
	"github.com/rollpin/rollpin/pkg/report"
	"github.com/spf13/cobra"
)

const diffHelp = `Diff shows what changes from one version of a service to another: the packages that are added, removed or changed, and how many files and
bytes.

  rollpin diff api 1.1.0 1.2.0                  two versions that were deployed from this machine
  rollpin diff api 1.1.0 1.2.0 -e production    also those that only the nodes have, and, as far as packages go, those of the index`

func newDiff(s *session) *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:     "diff SERVICE FROM TO [-e ENV]",
		Short:   "Show what changes between two versions",
		Long:    diffHelp,
		Example: "  rollpin diff api 1.1.0 1.2.0 -e production",
		Args:    usage(threeWords),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := t.compare(s, c, args[0], args[1], args[2])
			if err != nil {
				return err
			}
			if s.output == "json" {
				encoder := json.NewEncoder(s.stdout)
				encoder.SetIndent("", "  ")
				return encoder.Encode(d)
			}
			return report.WriteDifference(s.stdout, args[0], d, s.color(s.stdout))
		},
	}
	t.register(c)
	t.registerService(c)
	return c
}

func threeWords(_ *cobra.Command, args []string) error {
	if len(args) != 3 {
		return errors.New("diff takes a service and two versions: SERVICE FROM TO")
	}
	return nil
}

func (t *target) compare(s *session, c *cobra.Command, service, from, to string) (fleet.Difference, error) {
	if t.environment == "" {
		file, err := s.load()
		if err != nil {
			return fleet.Difference{}, err
		}
		d, known, err := fleet.CompareCached(s.cache(file.Cache()), service, from, to)
		if err == nil && !known {
			err = usageError{hinted{fmt.Errorf("this machine has not both versions %s and %s of %s", from, to, service),
				fmt.Sprintf("rollpin diff %s %s %s -e ENV: ask the nodes", word(service), word(from), word(to))}}
		}
		return d, err
	}
	resolved, err := t.resolve(s, c, service)
	if err != nil {
		return fleet.Difference{}, err
	}
	targets, err := t.targets(s, c.Flags(), resolved)
	if err != nil {
		return fleet.Difference{}, err
	}
	opened, closeFleet, err := s.open(resolved, targets, fleet.Options{}, s.askOnTerminal())
	if err != nil {
		return fleet.Difference{}, err
	}
	defer closeFleet()
	return opened.CompareVersions(s.soft, from, to, parallel)
}
