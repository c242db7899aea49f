package main

import (
	"context"
	"fmt"

	"github.com/rollpin/rollpin/pkg/fleet"
	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/report"
	"github.com/spf13/cobra"
)

const statusHelp = `Status asks every node what it really runs: the release that its link names, whether the running process is older than that
link, and the service's health. Nodes are grouped by release, so that a mixed fleet stands out. What would stop a deployment to a node
is shown too; it does not make the node unwell.

  rollpin status api -e production      one service
  rollpin status -e production          every service of rollpin.yaml

It exits 0 when every node answered, runs the one release and is well, and 4 when not.`

func newStatus(s *session) *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:     "status [SERVICE] -e ENV",
		Short:   "Show what every node really runs",
		Long:    statusHelp,
		Example: "  rollpin status api -e production",
		Args:    usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			services, err := s.services(args)
			if err != nil {
				return err
			}
			var all []report.Status
			for _, service := range services {
				status, err := t.status(s, c, service)
				if err != nil {
					return err
				}
				all = append(all, status)
			}
			return s.showStatus(all)
		},
	}
	t.register(c)
	t.registerService(c)
	return c
}

// services returns the service that was named, or all of the file.
func (s *session) services(args []string) ([]string, error) {
	if len(args) == 1 {
		return args, nil
	}
	file, err := s.load()
	if err != nil {
		return nil, err
	}
	if len(file.Services()) == 0 {
		return nil, usageError{hinted{fmt.Errorf("no service named, and no rollpin.yaml that has any"), "rollpin status SERVICE -e ENV, or -c FILE"}}
	}
	return file.Services(), nil
}

func (t *target) status(s *session, c *cobra.Command, service string) (report.Status, error) {
	resolved, err := t.resolve(s, c, service)
	if err != nil {
		return report.Status{}, err
	}
	targets, err := t.targets(s, c.Flags(), resolved)
	if err != nil {
		return report.Status{}, err
	}
	opened, closeFleet, err := s.open(resolved, targets, fleet.Options{}, s.askOnTerminal())
	if err != nil {
		return report.Status{}, err
	}
	defer closeFleet()
	status := report.Status{Service: service, Environment: resolved.Environment, Nodes: opened.Status(s.soft, parallel)}
	if all, err := s.deployments(resolved.Environment, service, &resolved); err == nil {
		if good, ok := journal.LastGood(all); ok {
			status.Good = &report.Good{Release: good.Release.ID, Deployment: good.ID, Began: good.Began}
		}
	}
	return status, context.Cause(s.soft)
}

func (s *session) showStatus(all []report.Status) error {
	write := func() error { return report.WriteStatus(s.stdout, all, s.color(s.stdout)) }
	if s.output == "json" {
		write = func() error { return report.WriteStatusJSON(s.stdout, all) }
	}
	if err := write(); err != nil {
		return err
	}
	for _, status := range all {
		if !status.Well() {
			return endedError{exitMixed}
		}
	}
	return nil
}
