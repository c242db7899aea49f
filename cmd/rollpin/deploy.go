package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const deployHelp = `Deploy takes the nodes of a service in an environment to one version of its package.

  rollpin deploy api==1.4.0 -e production       a version, as pip writes it (api@1.4.0 as npm does)
  rollpin deploy api -e production              the newest final version in the index, resolved once
  rollpin deploy api==1.4.0 -e production --dry-run
                                                preflight and plan only; nothing is written
  rollpin deploy api==1.4.0 -e production --canary 2 --batch 10% --bake 5m --max-failures 1
                                                another pace, this once
  rollpin deploy site==1.4.0 -e production --artifact dist/site-1.4.0.tar.gz
                                                a file that no index has: a wheel, an npm tarball, an archive

It goes through four parts, and stops at the first that fails:
  1. preflight   every node: version, platform, disk, permissions; all problems at once
  2. stage       on all nodes in parallel, beside what runs; no user is affected. One node of each
                 platform installs the release, the others get its files, less what they have
  3. activate    wave by wave: switch a link, restart, wait for health; a node that fails goes back
                 to what it ran, and when more fail than may, so does every other
  4. settle      old releases are removed, but never the current one or the one before it

Nodes that run the version already are left alone. rollpin resume last goes on after a failure, an interrupt or a kill.

Without rollpin.yaml, flags alone do:

  rollpin deploy acme-api==1.4.0 --role api -e production --manager pip --index https://pypi.internal/simple \
      --path /srv/api --restart systemd:api.service --health http://127.0.0.1:8080/healthz

Passwords come from the environment: ROLLPIN_INDEX_PASSWORD (or the token of a registry), ROLLPIN_BECOME_PASSWORD (sudo).`

func newDeploy(s *session) *cobra.Command {
	return deployCommand(&rolloutCommand{session: s, verb: "deploy"})
}

func deployCommand(r *rolloutCommand) *cobra.Command {
	c := &cobra.Command{
		Use:     "deploy SERVICE[==VERSION|@VERSION] -e ENV",
		Short:   "Take the nodes of a service to a version",
		Long:    deployHelp,
		Example: "  rollpin deploy api==1.4.0 -e production",
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
	r.target.registerStrategy(c)
	c.Flags().BoolVarP(&r.yes, "yes", "y", false, "do not ask before the first node is touched")
	return c
}

// registerArtifact adds the flag that names a file that no index has.
func (r *rolloutCommand) registerArtifact(c *cobra.Command) {
	c.Flags().StringVar(&r.artifact, "artifact", "", "deploy this `file` (or URL#sha256=HEX) instead of what an index has")
}

// splitVersion takes SERVICE==VERSION or SERVICE@VERSION apart; npm's scoped names begin with an @ of their own.
func splitVersion(argument, flag string) (service, version string, err error) {
	service, version, found := strings.Cut(argument, "==")
	if !found {
		if at := strings.LastIndexByte(argument, '@'); at > 0 {
			service, version, found = argument[:at], argument[at+1:], true
		}
	}
	switch {
	case found && version == "":
		return "", "", usageError{hinted{fmt.Errorf("%q names no version after the service", argument), "rollpin deploy " + word(service) + "==VERSION -e ENV"}}
	case found && flag != "" && flag != version:
		return "", "", usageError{fmt.Errorf("two versions: %s in %q and %s in --version", version, argument, flag)}
	case !found:
		version = flag
	}
	return service, version, nil
}
