package config

import (
	"slices"
	"strings"
	"time"
)

// document is a whole configuration: the file, or the layers of one environment laid over each other.
type document struct {
	Discovery  Discovery
	SSH        SSH
	Lock       string
	Services   map[string]deployed
	Strategies map[string]Strategy
	Cache      Cache
	// environments are read one by one, each laid over the rest.
	environments map[string]environment
}

// lock is where locks are: in Consul, if nodes come from there.
func (d document) lock() string {
	switch {
	case d.Lock != "":
		return d.Lock
	case d.Discovery.File != "" || len(d.Discovery.Exec) > 0:
		return "file"
	}
	return "consul"
}

// deployed is a service with the strategy that it names.
type deployed struct {
	Service  Service
	Strategy Strategy
}

// environment is what one environment changes. Its parts have meaning only when they are laid over the document.
type environment struct{}

// documentKeys is the table of all that a configuration file can say.
func documentKeys() kind[document] {
	return object("document",
		key("discovery", discoveryKeys(), func(d *document) *Discovery { return &d.Discovery }),
		key("ssh", sshKeys(), func(d *document) *SSH { return &d.SSH }),
		key("lock", lockPlace(), func(d *document) *string { return &d.Lock }),
		key("services", named(serviceName(), serviceKeys(), defaultService()), func(d *document) *map[string]deployed { return &d.Services }),
		key("strategies", named(word("a strategy's name"), strategyKeys(), defaultStrategy()), func(d *document) *map[string]Strategy { return &d.Strategies }),
		key("cache", cacheKeys(), func(d *document) *Cache { return &d.Cache }),
		key("environments", named(environmentName(), environmentKeys(), environment{}), func(d *document) *map[string]environment { return &d.environments }),
	)
}

func serviceName() kind[string]     { return word("a service's name") }
func environmentName() kind[string] { return word("an environment's name") }

func lockPlace() kind[string] { return enum("consul", "file") }

// environmentKeys reads nothing: what stands below is read once it lies over the document.
func environmentKeys() kind[environment] {
	return object("environment",
		overlaid("discovery", discoveryKeys().shape),
		overlaid("ssh", sshKeys().shape),
		overlaid("lock", lockPlace().shape),
		overlaid("services", named(serviceName(), serviceKeys(), defaultService()).shape),
	)
}

func overlaid(name string, s shape) field[environment] {
	return field[environment]{property{name: name, shape: s}, func(*reader, *tree, *environment) {}}
}

func serviceKeys() kind[deployed] {
	of := func(s *deployed) *Service { return &s.Service }
	fields := within(of,
		key("role", word("a role's name"), func(s *Service) *string { return &s.Role }),
		key("package", matching("the name of a package, such as acme-api or @acme/api", packageForm), func(s *Service) *string { return &s.Package }),
		key("manager", enum("pip", "npm", "archive"), func(s *Service) *string { return &s.Manager }),
		key("index", webURL("https://pypi.internal/simple", "name the user and where the password is in index_auth"), func(s *Service) *string { return &s.Index }),
		key("index_auth", indexAuthKeys(), func(s *Service) *IndexAuth { return &s.IndexAuth }),
		key("python", token("an interpreter such as python3.12 or /opt/python/bin/python3"), func(s *Service) *string { return &s.Python }),
		key("allow_source", boolean(), func(s *Service) *bool { return &s.AllowSource }),
		key("allow_scripts", boolean(), func(s *Service) *bool { return &s.AllowScripts }),
		key("allow_yanked", boolean(), func(s *Service) *bool { return &s.AllowYanked }),
		key("layout", enum("releases", "in-place"), func(s *Service) *string { return &s.Layout }),
		key("install", enum("once", "each"), func(s *Service) *string { return &s.Install }),
		key("share", enum("copy", "hardlink"), func(s *Service) *string { return &s.Share }),
		key("path", nodePath(), func(s *Service) *string { return &s.Path }),
		key("keep", integer(1, 1000), func(s *Service) *int { return &s.Keep }),
		key("min_free", byteSize(), func(s *Service) *int64 { return &s.MinFree }),
		key("restart", restartKeys(), func(s *Service) *Restart { return &s.Restart }),
		key("health", healthKeys(), func(s *Service) *Health { return &s.Health }),
		key("timeouts", timeoutsKeys(), func(s *Service) *Timeouts { return &s.Timeouts }),
	)
	strategy := key("strategy", strategyUseKeys(), func(s *deployed) *Strategy { return &s.Strategy })
	return object("service", append(fields, strategy)...).then(func(r *reader, t *tree, s *deployed) { r.checkManager(t, s.Service) })
}

func defaultService() deployed {
	return deployed{Service: Service{
		Python:   "python3",
		Layout:   "releases",
		Install:  "once",
		Share:    "copy",
		Keep:     5,
		MinFree:  256 << 20,
		Health:   defaultHealth(),
		Timeouts: Timeouts{Stage: 10 * time.Minute, Restart: time.Minute},
	}, Strategy: defaultStrategy()}
}

// checkManager reports keys that the service's manager has no use for.
func (r *reader) checkManager(t *tree, s Service) {
	for name, managers := range map[string][]string{
		"python": {"pip"}, "allow_source": {"pip"}, "allow_scripts": {"npm"},
		"index": {"pip", "npm"}, "index_auth": {"pip", "npm"}, "allow_yanked": {"pip", "npm"}, "install": {"pip", "npm"}, "layout": {"pip", "npm"},
	} {
		if found := t.get(name); found != nil && s.Manager != "" && !slices.Contains(managers, s.Manager) {
			r.fail(found, "is for manager "+strings.Join(managers, " and ")+" only, and the manager here is "+s.Manager)
		}
	}
}

func indexAuthKeys() kind[IndexAuth] {
	return object("index_auth",
		key("user", token("a user name"), func(a *IndexAuth) *string { return &a.User }),
		key("password_env", envName(), func(a *IndexAuth) *string { return &a.PasswordEnv }),
		key("password_file", localPath("a file that holds the password or token"), func(a *IndexAuth) *string { return &a.PasswordFile }),
	).rivals("password_env", "password_file").then(func(r *reader, t *tree, _ *IndexAuth) {
		if len(t.given([]string{"password_env", "password_file"})) == 0 {
			r.fail(t, "expected password_env or password_file: where the password or token is")
		}
	})
}

func cacheKeys() kind[Cache] {
	return object("cache", key("size", byteSize(), func(c *Cache) *int64 { return &c.Size }))
}

func timeoutsKeys() kind[Timeouts] {
	return object("timeouts",
		key("stage", duration(time.Second, 24*time.Hour), func(t *Timeouts) *time.Duration { return &t.Stage }),
		key("restart", duration(time.Second, 24*time.Hour), func(t *Timeouts) *time.Duration { return &t.Restart }),
	)
}
