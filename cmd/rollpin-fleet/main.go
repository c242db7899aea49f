//go:build unix

// Command rollpin-fleet starts a small fleet on one machine to try rollpin on: SSH nodes in one process, a package index, an npm registry, and
// a rollpin.yaml that is ready to use. It is no part of rollpin.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	var o options
	withParent := false
	command := &cobra.Command{
		Use:   "rollpin-fleet --dir DIR",
		Short: "Start a fleet of in-process SSH nodes to try rollpin on",
		Long: `Start a fleet of in-process SSH nodes to try rollpin on.

Everything is on loopback and under DIR: the nodes' homes, a key, known_hosts, inventory.json, and rollpin.yaml with the services api (pip) and
web (npm). Both have the versions 1.0.0, 1.1.0 and 1.2.0, which work, 1.3.0, which dies at its start, 1.4.0, which answers 500, 1.5.0, which
starts slowly, a prerelease 1.6.0, and 2.0.0, which reports a wrong version. The file DIR/ready appears when all is up.

It runs until SIGINT or SIGTERM, then ends every process of the nodes and removes what it wrote.`,
		Example: `  rollpin-fleet --dir /tmp/fleet &
  cd /tmp/fleet && rollpin deploy api==1.0.0 -e production`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx := command.Context()
			if withParent {
				ctx = untilOrphaned(ctx, os.Getppid, 200*time.Millisecond)
			}
			return run(ctx, o, command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.dir, "dir", "", "directory for everything; new or empty")
	flags.IntVar(&o.nodes, "nodes", 5, "how many nodes")
	flags.StringVar(&o.environment, "env", "production", "the nodes' environment")
	flags.StringVar(&o.role, "role", "api", "the nodes' role")
	flags.BoolVar(&withParent, "with-parent", false, "end when the process that started this one ends")
	_ = command.MarkFlagRequired("dir") // the flag exists
	return command
}

// untilOrphaned returns a context that ends when this process gets another parent: its own is gone.
func untilOrphaned(ctx context.Context, parent func() int, interval time.Duration) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	first := parent()
	go func() {
		defer cancel()
		look := time.NewTicker(interval)
		defer look.Stop()
		for parent() == first {
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx
}
