package main

import (
	"fmt"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/report"
	"github.com/spf13/cobra"
)

// completing offers the names that of finds in the configuration; nothing where there is none that can be read.
func (s *session) completing(of func(*config.File) []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		file, err := s.load()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return of(file), cobra.ShellCompDirectiveNoFileComp
	}
}

// completions gives every command that takes a service, an environment or a strategy the names of the file to complete from.
func (s *session) completions(commands []*cobra.Command) {
	flags := map[string]cobra.CompletionFunc{
		"env":        s.completing((*config.File).Environments),
		"strategy":   s.completing((*config.File).Strategies),
		"on-failure": cobra.FixedCompletions([]string{"rollback", "halt"}, cobra.ShellCompDirectiveNoFileComp),
		"install":    cobra.FixedCompletions([]string{"once", "each"}, cobra.ShellCompDirectiveNoFileComp),
		"manager":    cobra.FixedCompletions([]string{"pip", "npm", "archive"}, cobra.ShellCompDirectiveNoFileComp),
		"format":     cobra.FixedCompletions(nodesFormats(), cobra.ShellCompDirectiveNoFileComp),
	}
	services := s.completing((*config.File).Services)
	for _, c := range commands {
		if c.Name() != "nodes" && c.Flags().Lookup("env") != nil && c.ValidArgsFunction == nil {
			c.ValidArgsFunction = func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
				if len(args) > 0 {
					return nil, cobra.ShellCompDirectiveNoFileComp
				}
				return services(c, args, word)
			}
		}
		for name, complete := range flags {
			_ = c.RegisterFlagCompletionFunc(name, complete) // fails where a command has no such flag
		}
	}
}

// completingIDs offers the ids of deployments, in the environment if that is given already, and then services.
func (s *session) completingIDs(environment *string) cobra.CompletionFunc {
	services := s.completing((*config.File).Services)
	return func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return services(c, args, word)
		}
		all, err := s.deployments(*environment, "", nil)
		if err != nil || len(args) > 1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		offers := []string{"last"}
		for _, d := range all {
			offers = append(offers, fmt.Sprintf("%s\t%s on %s", d.ID, report.Clean(d.Title()), report.Clean(d.Environment)))
		}
		return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}
