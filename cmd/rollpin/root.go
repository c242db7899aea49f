package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

const rootHelp = `rollpin deploys a pinned pip or npm package to the nodes of a role, over SSH: it finds the nodes in Consul or a file,
installs the release beside the running one on all of them, switches them over serially, in batches or canary first,
restarts, waits for health, and puts everything back when it goes wrong.

  rollpin deploy api==1.4.0 -e production     deploy a version
  rollpin stage api==1.4.0 -e production      put it on the nodes beside what runs, for a quick deploy later
  rollpin rollback api -e production          back to what ran before
  rollpin resume last                         go on with a deployment that ended before its time
  rollpin converge api -e production          stragglers and new nodes to the last known good release
  rollpin status api -e production            what every node really runs
  rollpin nodes -e production                 what discovery finds
  rollpin history api -e production           what was deployed, when, by whom, and how it ended
  rollpin show last                           the waves, nodes, steps and failures of a deployment

Services stand in rollpin.yaml, in this directory or one above it.

Exit status:
  0    every target node runs the release, or already did
  1    the deployment failed, and every node it touched runs what it ran before
  2    usage or configuration error; nothing was touched
  3    preflight or staging failed; no running service was touched
  4    the fleet is mixed: stopped, halted by choice, or not wholly rolled back
  5    another deployment holds the lock
  130  interrupted by SIGINT; 143 by SIGTERM: the last block says whether the fleet is mixed`

func newRoot(s *session) *cobra.Command {
	root := &cobra.Command{
		Use:     "rollpin",
		Version: version(),
		// A slip of two letters is near.
		SuggestionsMinimumDistance: 2,
		Short:                      "Deploy like pip install, roll out like an orchestrator, over SSH",
		Long:                       rootHelp,
		SilenceErrors:              true,
		SilenceUsage:               true,
		DisableAutoGenTag:          true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
		Args:              cobra.ArbitraryArgs,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return s.checkCommon() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if words := c.Flags().Args(); c == root && len(words) > 0 {
			return unknownCommand(root, words[0])
		}
		return usageError{hinted{err, c.CommandPath() + " --help"}}
	})
	flags := root.PersistentFlags()
	flags.StringVarP(&s.configFile, "config", "c", "", "configuration `file` (default: rollpin.yaml here or above)")
	flags.StringVarP(&s.output, "output", "o", "text", "`text|json`: json prints one event per line for a deployment, one document otherwise, and nothing else")
	flags.BoolVarP(&s.quiet, "quiet", "q", false, "only failures, the result, and a sign of life every 30 s")
	flags.BoolVarP(&s.verbose, "verbose", "v", false, "every step on every node")
	flags.DurationVar(&s.timeout, "timeout", 0, "bring everything to a safe end after this `time`, such as 30m")
	flags.BoolVar(&s.noColor, "no-color", false, "no colours (also by NO_COLOR)")
	root.AddCommand(newDeploy(s), newStage(s), newRollback(s), newResume(s), newConverge(s), newUnlock(s))
	root.AddCommand(newStatus(s), newNodes(s), newHistory(s), newShow(s), newDiff(s), newLock(s), newCache(s), newVersion(s))
	s.completions(root.Commands())
	return root
}

func (s *session) checkCommon() error {
	if s.output != "text" && s.output != "json" {
		return usageError{fmt.Errorf("--output is text or json, not %q", s.output)}
	}
	if s.timeout < 0 {
		return usageError{errors.New("--timeout is a positive time, such as 30m")}
	}
	s.limit()
	return nil
}

// unknownCommand is said of the first word, whatever flags stand around it.
func unknownCommand(root *cobra.Command, word string) error {
	hint := "rollpin --help"
	if near := root.SuggestionsFor(word); len(near) > 0 {
		hint = "rollpin " + near[0]
	}
	return usageError{hinted{fmt.Errorf("there is no command %q", word), hint}}
}

// oneService is the check of commands that take one service.
func oneService(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("SERVICE is missing: name the service to " + c.Name())
	}
	if len(args) > 1 {
		return fmt.Errorf("one service at a time: %s is too much", strings.Join(args[1:], " "))
	}
	return nil
}

// noService is the check of commands about a whole environment.
func noService(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no service, only -e ENV and --role ROLE: %s is too much", c.Name(), strings.Join(args, " "))
	}
	return nil
}

// usage makes errors of cobra's argument checks errors of usage.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError{hinted{err, c.CommandPath() + " --help"}}
		}
		return nil
	}
}

func newVersion(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of rollpin",
		Args:  usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(s.stdout, "rollpin", version())
			return err
		},
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
