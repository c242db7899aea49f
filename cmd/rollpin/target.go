package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/consul"
	"github.com/rollpin/rollpin/pkg/fleet"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/remote"
	"github.com/rollpin/rollpin/pkg/report"
	"github.com/rollpin/rollpin/pkg/shell"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// target is what the flags of a command say about the service and its nodes.
type target struct {
	environment    string
	limit, exclude []string
	// settings are the flags that set a key of the configuration, in the order of setting.
	settings []setting
}

type setting struct{ flag, key string }

// register adds the flags that every command on nodes has.
func (t *target) register(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVarP(&t.environment, "env", "e", "", "`environment` of the nodes (required)")
	t.set(flags, "inventory", "discovery.file", "take nodes from this `file` instead of Consul")
}

// registerService adds the flags that describe a service where no file does.
func (t *target) registerService(c *cobra.Command) {
	flags := c.Flags()
	flags.StringSliceVar(&t.limit, "limit", nil, "only these `nodes`: names or patterns, a,b or web-*")
	flags.StringSliceVar(&t.exclude, "exclude", nil, "not these `nodes`")
	t.set(flags, "role", "service.role", "`role` of the nodes (default: the service's name)")
	t.set(flags, "package", "service.package", "`name` of the package (default: the service's name)")
	t.set(flags, "manager", "service.manager", "package manager: `pip|npm|archive`")
	t.set(flags, "index", "service.index", "`URL` of the package index or registry")
	t.set(flags, "path", "service.path", "the service's `directory` on the nodes")
	t.set(flags, "layout", "service.layout", "`releases|in-place`: in-place installs into a venv or npm prefix at path")
	t.set(flags, "restart", "service.restart", "how it takes up a release: `systemd:UNIT`, supervisor:, runit:, pm2:, command:LINE, none")
	t.set(flags, "health", "service.health", "a `URL`, tcp:HOST:PORT, command:LINE or systemd:UNIT; may be repeated")
	t.set(flags, "install", "service.install", "`once|each`: one node of each platform installs, or every node for itself")
	t.set(flags, "become", "ssh.become", "`sudo`: work on the nodes as root")
}

// registerStrategy adds the flags that change the strategy.
func (t *target) registerStrategy(c *cobra.Command) {
	flags := c.Flags()
	t.set(flags, "strategy", "strategy.name", "`strategy`: serial, canary, rolling, parallel, or one of the file")
	t.set(flags, "canary", "strategy.canary", "`size` of the first wave: 1, 10%, or 0 for none")
	t.set(flags, "batch", "strategy.batch", "`size` of every other wave: 2 or 25%")
	t.set(flags, "bake", "strategy.bake", "`time` that a wave must stay healthy before the next")
	t.set(flags, "max-failures", "strategy.max_failures", "`number` or percent of nodes that may fail in the whole deployment")
	t.set(flags, "on-failure", "strategy.on_failure", "`rollback|halt` when more fail")
}

func (t *target) set(flags *pflag.FlagSet, name, key, usage string) {
	if key == "service.health" {
		flags.StringArray(name, nil, usage)
	} else {
		flags.String(name, "", usage)
	}
	t.settings = append(t.settings, setting{name, key})
}

// resolve reads the configuration and lays the flags over it.
func (t *target) resolve(s *session, c *cobra.Command, service string) (config.Target, error) {
	if t.environment == "" {
		return config.Target{}, usageError{hinted{fmt.Errorf("no environment"), c.Root().Name() + " " + c.Use}}
	}
	file, err := s.load()
	if err != nil {
		return config.Target{}, err
	}
	request := config.Request{Service: service, Environment: t.environment}
	for _, setting := range t.settings {
		flag := c.Flags().Lookup(setting.flag)
		if !flag.Changed {
			continue
		}
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			request.Flags = append(request.Flags, config.Flag{Name: "--" + setting.flag, Key: setting.key, Value: value})
		}
	}
	return file.Resolve(request)
}

func (s *session) load() (*config.File, error) {
	path := s.configFile
	if path == "" {
		found, ok := config.Find(".")
		if !ok {
			return config.Empty(), nil
		}
		path = found
	}
	return config.Load(path)
}

// source returns where nodes come from. What makes its answer doubtful is told on stderr.
func (s *session) source(d config.Discovery) (inventory.Source, error) {
	switch {
	case d.File != "":
		return inventory.FromFile(d.File), nil
	case len(d.Exec) > 0:
		return inventory.FromExec(d.Exec), nil
	}
	from, err := consul.New(*cmp.Or(d.Consul, &config.Consul{}))
	if err != nil {
		return nil, usageError{err}
	}
	from.Warn = func(text string) { fmt.Fprintln(s.stderr, "warning:", report.Clean(text)) }
	return from, nil
}

// nodes asks discovery for the nodes of a role.
func (s *session) nodes(t config.Target, role string) ([]inventory.Node, error) {
	from, err := s.source(t.Discovery)
	if err != nil {
		return nil, err
	}
	return from.Nodes(s.soft, inventory.Query{Environment: t.Environment, Role: role})
}

// targets asks discovery for the nodes of the service, less those that --limit and --exclude leave out.
func (t *target) targets(s *session, flags *pflag.FlagSet, c config.Target) ([]inventory.Node, error) {
	for name, patterns := range map[string][]string{"limit": t.limit, "exclude": t.exclude} {
		if flags.Changed(name) && len(patterns) == 0 {
			// An unset variable of a CI job must not mean the whole fleet.
			return nil, usageError{hinted{fmt.Errorf("--%s is empty", name), "name nodes, or leave the flag out for all of them"}}
		}
	}
	found, err := s.nodes(c, c.Service.Role)
	if err != nil {
		return nil, err
	}
	return inventory.Limit(found, t.limit, t.exclude)
}

// open makes the fleet of a service, with options for what is not in the configuration. Nothing is connected before it is used; the caller closes it.
func (s *session) open(c config.Target, nodes []inventory.Node, options fleet.Options, ask func(string) (string, error)) (*fleet.Fleet, func(), error) {
	becomePassword, err := secret(c.SSH.BecomePasswordEnv, c.SSH.BecomePasswordFile, "ROLLPIN_BECOME_PASSWORD")
	if err != nil {
		return nil, nil, err
	}
	indexPassword, err := secret(c.Service.IndexAuth.PasswordEnv, c.Service.IndexAuth.PasswordFile, "ROLLPIN_INDEX_PASSWORD")
	if err != nil {
		return nil, nil, err
	}
	dialer, err := remote.New(remote.Options{SSH: c.SSH, BecomePassword: becomePassword, Ask: ask})
	if err != nil {
		return nil, nil, err
	}
	cache := s.cache(c.Cache)
	options.Service, options.Nodes, options.IndexPassword, options.Cache = c.Service, nodes, indexPassword, cache
	options.Connect = func(n inventory.Node) fleet.Conn { return dialer.Node(n) }
	opened, err := fleet.New(options)
	if err != nil {
		_ = dialer.Close()
		return nil, nil, usageError{err}
	}
	return opened, func() {
		_ = dialer.Close()
		_ = cache.Close()
	}, nil
}

// cache is where releases are kept on this machine. Where there is no home, one for this run alone does.
func (s *session) cache(c config.Cache) *bundle.Cache {
	home, err := os.UserCacheDir()
	if err != nil {
		home = os.TempDir()
	}
	return bundle.Open(filepath.Join(home, "rollpin", "bundles"), c.Size)
}

// repeat returns the flags that the next command needs to mean the same, " -c FILE --inventory FILE", quoted for a shell.
func repeat(c *cobra.Command, but ...string) string {
	var out strings.Builder
	for _, argument := range given(c, append(but, "reason", "wait")...) {
		name, value, _ := strings.Cut(argument, "=")
		if c.Flags().Lookup(strings.TrimPrefix(name, "--")).NoOptDefVal != "" {
			fmt.Fprintf(&out, " %s=%s", name, word(value))
			continue
		}
		fmt.Fprintf(&out, " %s %s", name, word(value))
	}
	return out.String()
}

// given returns the flags that say what the command does, as --NAME=VALUE.
func given(c *cobra.Command, but ...string) []string {
	var out []string
	c.Flags().Visit(func(flag *pflag.Flag) {
		once := []string{"env", "version", "parallel", "dry-run", "yes", "output", "quiet", "verbose", "no-color", "timeout"}
		if slices.Contains(append(once, but...), flag.Name) {
			return
		}
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			out = append(out, "--"+flag.Name+"="+value)
		}
	})
	return out
}

// word quotes what a shell would take apart.
func word(value string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("%+,-./:=@_", c)
	}
	if value != "" && strings.IndexFunc(value, func(c rune) bool { return !plain(c) }) < 0 {
		return value
	}
	quoted, err := shell.Quote(value)
	if err != nil {
		return "''"
	}
	return quoted
}
