package main

import "github.com/spf13/cobra"

const stageHelp = `Stage puts a release on the nodes of a service, beside the one that runs, and verifies it; nothing is switched or restarted, and no user
is affected. A later deploy of the version finds it there, verifies it again, and only has to switch.

  rollpin stage api==1.4.0 -e production        by day
  rollpin deploy api==1.4.0 -e production       at night, in seconds; the index is not asked for more than the version

One node of each platform installs the release, the others get the very same files over SFTP, less those that they have in
other releases.`

func newStage(s *session) *cobra.Command {
	r := &rolloutCommand{session: s, verb: "stage", stage: true, yes: true}
	c := &cobra.Command{
		Use:     "stage SERVICE[==VERSION|@VERSION] -e ENV",
		Short:   "Put a version on the nodes, beside what runs",
		Long:    stageHelp,
		Example: "  rollpin stage api==1.4.0 -e production",
		Args:    usage(oneService),
		RunE: func(c *cobra.Command, args []string) error {
			service, err := r.named(args[0])
			if err != nil {
				return err
			}
			return r.run(c, service)
		},
	}
	r.register(c)
	r.registerVersion(c)
	return c
}
