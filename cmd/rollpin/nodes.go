package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/spf13/cobra"
)

const nodesHelp = `Nodes shows what discovery finds in an environment, with dead nodes marked.

  rollpin nodes -e production --role api
  rollpin nodes -e production --format json > inventory.json        an inventory file for rollpin
  rollpin nodes -e production --format rundeck > resources.json     a Rundeck resource model

For Ansible, make an executable file of two lines and give it to ansible -i:

  #!/bin/sh
  exec rollpin nodes -e production --format ansible`

func nodesFormats() []string { return []string{"table", "json", "ansible", "rundeck"} }

func newNodes(s *session) *cobra.Command {
	var t target
	var role, format string
	formats := nodesFormats()
	c := &cobra.Command{
		Use:     "nodes -e ENV [--role ROLE]",
		Short:   "Show what discovery finds",
		Long:    nodesHelp,
		Example: "  rollpin nodes -e production --role api",
		Args:    usage(noService),
		RunE: func(c *cobra.Command, _ []string) error {
			if s.output == "json" && format == "table" {
				format = "json"
			}
			if !slices.Contains(formats, format) {
				return usageError{fmt.Errorf("--format is one of %s, not %q", strings.Join(formats, ", "), format)}
			}
			resolved, err := t.resolve(s, c, "")
			if err != nil {
				return err
			}
			found, err := s.nodes(resolved, role)
			if err != nil {
				return err
			}
			return inventory.Write(s.stdout, format, found)
		},
	}
	t.register(c)
	c.Flags().StringVar(&role, "role", "", "only nodes of this `role`")
	c.Flags().StringVar(&format, "format", "table", "`table|json|ansible|rundeck`")
	return c
}
