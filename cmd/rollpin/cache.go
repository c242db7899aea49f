package main

import (
	"encoding/json"
	"fmt"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/report"
	"github.com/spf13/cobra"
)

const cacheHelp = `Cache lists the releases whose files are kept on this machine, to send them to nodes that lack them: new nodes, damaged ones, those of a
rollback to what they no longer keep. It stands under ~/.cache/rollpin (XDG_CACHE_HOME), and the longest unused archives go first when it has
more than cache.size of rollpin.yaml, 2 GiB by default. The lock of a release stays when its archive goes.

  rollpin cache                       what is there
  rollpin cache prune                 down to cache.size
  rollpin cache prune --size 500MiB   down to that
  rollpin cache prune --all           remove all of it`

func newCache(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "List the releases kept on this machine",
		Long:  cacheHelp,
		Args:  usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return s.withCache(func(cache *bundle.Cache, max int64) error {
				all, err := cache.List()
				if err != nil {
					return err
				}
				if s.output == "json" {
					return s.bundlesJSON(all)
				}
				return report.WriteBundles(s.stdout, cache.Dir(), all, max)
			})
		},
	}
	c.AddCommand(newCachePrune(s))
	return c
}

func newCachePrune(s *session) *cobra.Command {
	var size string
	var all bool
	c := &cobra.Command{
		Use:   "prune",
		Short: "Remove what is longest unused",
		Long:  cacheHelp,
		Args:  usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return s.withCache(func(cache *bundle.Cache, max int64) error {
				if size != "" {
					parsed, err := config.ParseSize(size)
					if err != nil {
						return usageError{fmt.Errorf("--size: %w", err)}
					}
					max = parsed
				}
				if all {
					max = 0
				}
				removed, err := cache.Prune(max, all)
				if err != nil {
					return err
				}
				if s.output == "json" {
					return s.bundlesJSON(removed)
				}
				var freed int64
				for _, info := range removed {
					freed += info.Packed
				}
				_, err = fmt.Fprintf(s.stdout, "removed %d, %s\n", len(removed), report.Bytes(freed))
				return err
			})
		},
	}
	c.Flags().StringVar(&size, "size", "", "what may stay, such as 500MiB (default: cache.size)")
	c.Flags().BoolVar(&all, "all", false, "remove everything, locks too")
	return c
}

func (s *session) withCache(do func(cache *bundle.Cache, max int64) error) error {
	file, err := s.load()
	if err != nil {
		return err
	}
	cache := s.cache(file.Cache())
	defer cache.Close()
	return do(cache, file.Cache().Size)
}

func (s *session) bundlesJSON(all []bundle.Info) error {
	encoder := json.NewEncoder(s.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]any{"bundles": report.Bundles(all)})
}
