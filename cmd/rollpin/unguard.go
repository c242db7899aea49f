package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/fleet"
	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/report"
	"github.com/spf13/cobra"
)

// unguard shows which nodes are in the hands of deployments that share no lock with this machine, and takes them back.
func (s *session) unguard(c *cobra.Command, t *target, resolved config.Target, yes bool) error {
	targets, err := t.targets(s, c.Flags(), resolved)
	if err != nil {
		return err
	}
	opened, closeFleet, err := s.open(resolved, targets, fleet.Options{}, s.askOnTerminal())
	if err != nil {
		return err
	}
	defer closeFleet()
	guards, unanswered := opened.Guards(s.soft, parallel)
	for _, name := range slices.Sorted(maps.Keys(unanswered)) {
		fmt.Fprintln(s.stderr, "warning:", report.Clean(name+": "+unanswered[name].Error()))
	}
	if len(guards) == 0 {
		fmt.Fprintf(s.stderr, "no node that answers is in the hands of a deployment: %d of %d answer\n", len(targets)-len(unanswered), len(targets))
		return nil
	}
	if err := s.mayUnguard(c, guards, yes); err != nil {
		return err
	}
	var failed error
	for _, name := range slices.Sorted(maps.Keys(guards)) {
		if err := opened.BreakGuard(s.soft, name); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
			continue
		}
		fmt.Fprintln(s.stderr, "free:", name)
	}
	return failed
}

func (s *session) mayUnguard(c *cobra.Command, guards map[string]lock.Holder, yes bool) error {
	byHolder := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(guards)) {
		byHolder[guards[name].String()] = append(byHolder[guards[name].String()], name)
	}
	for _, holder := range slices.Sorted(maps.Keys(byHolder)) {
		fmt.Fprintln(s.stderr, report.Clean(fmt.Sprintf("%s: in the hands of %s", strings.Join(byHolder[holder], " "), holder)))
	}
	fmt.Fprintln(s.stderr, "A deployment that is alive does no more to a node that is taken from it, and ends where it is.")
	switch {
	case !yes && !s.asks():
		again := fmt.Sprintf("%s %s%s --yes", c.CommandPath(), strings.Join(c.Flags().Args(), " "), " -e "+c.Flag("env").Value.String()+repeat(c))
		return usageError{hinted{errors.New("nobody can be asked whether to take the nodes back"), again}}
	case !yes && !s.confirm("Take them back?"):
		return endedError{exitDone}
	}
	return nil
}
