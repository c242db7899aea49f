package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func mustParse(t *testing.T, text string) *File {
	t.Helper()
	f, err := parse("rollpin.yaml", "/conf", "/home/me", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func mustResolve(t *testing.T, f *File, environment string, flags ...Flag) Target {
	t.Helper()
	target, err := f.Resolve(Request{Service: "api", Environment: environment, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

const minimal = "services: {api: {manager: pip, path: /srv/api, restart: systemd:api.service}}\n"

// mainJob are the flags of the main job without a file.
var mainJob = []Flag{
	{"--role", "service.role", "web"},
	{"--manager", "service.manager", "pip"},
	{"--index", "service.index", "https://pypi.internal/simple"},
	{"--path", "service.path", "/srv/api"},
	{"--restart", "service.restart", "systemd:api.service"},
	{"--health", "service.health", "http://127.0.0.1:8080/healthz"},
}

func TestDefaults(t *testing.T) {
	want := Target{
		Environment: "production", Lock: "consul", Cache: Cache{Size: 2 << 30},
		Service: Service{
			Name: "api", Role: "api", Package: "api", Manager: "pip", Python: "python3", Path: "/srv/api", Keep: 5, MinFree: 256 << 20, Layout: "releases", Install: "once", Share: "copy",
			Restart:  Restart{Kind: "systemd", Name: "api.service", Action: "restart"},
			Health:   Health{Passes: 3, Interval: time.Second, Timeout: time.Minute},
			Timeouts: Timeouts{Stage: 10 * time.Minute, Restart: time.Minute},
		},
		Strategy: Strategy{Name: "canary", Canary: Size{N: 1}, Batch: Size{25, true}, Bake: 30 * time.Second, OnFailure: "rollback"},
		Discovery: Discovery{Consul: &Consul{Match: "node",
			Keys: Keys{Role: "role", Environment: "environment", Zone: "zone", SSHPort: "ssh_port", SSHUser: "ssh_user"}}},
	}
	if got := mustResolve(t, mustParse(t, minimal), "production"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// The lock goes where the nodes come from, unless the file says otherwise.
func TestLock(t *testing.T) {
	inventory := Flag{"--inventory", "discovery.file", "nodes.yaml"}
	for _, c := range []struct {
		text  string
		flags []Flag
		want  string
	}{
		{minimal, nil, "consul"},
		{minimal, []Flag{inventory}, "file"},
		{"discovery: {exec: [./nodes.py]}\n" + minimal, nil, "file"},
		{"lock: consul\n" + minimal, []Flag{inventory}, "consul"},
		{"lock: file\n" + minimal, nil, "file"},
	} {
		if got := mustResolve(t, mustParse(t, c.text), "production", c.flags...).Lock; got != c.want {
			t.Errorf("%s%v: got %s", c.text, c.flags, got)
		}
	}
}

func TestEveryKeyReachesItsField(t *testing.T) {
	f, err := parse("reference.yaml", "/conf", "/home/me", []byte(Reference))
	if err != nil {
		t.Fatal(err)
	}
	got := mustResolve(t, f, "nowhere")
	want := Target{
		Environment: "nowhere", Lock: "consul", Cache: Cache{Size: 2 << 30},
		Service: Service{
			Name: "api", Role: "api", Package: "acme-api", Manager: "pip", Index: "https://pypi.internal/simple",
			IndexAuth: IndexAuth{User: "deploy", PasswordEnv: "PYPI_PASSWORD"}, Python: "python3.12", Path: "/srv/api", Keep: 5, MinFree: 256 << 20, Layout: "releases", Install: "once", Share: "copy",
			Restart: Restart{Kind: "systemd", Name: "api.service", Action: "restart"},
			Health: Health{Passes: 3, Interval: time.Second, Timeout: time.Minute, Checks: []Check{{
				Kind: "http", Target: "https://127.0.0.1:8443/healthz",
				Expect:  Expect{Status: 200, Body: "ready", Version: "json:build.version"},
				Headers: map[string]string{"Host": "api.example.com"}, ServerName: "api.example.com", CAFile: "/conf/certs/internal.pem",
			}}},
			Timeouts: Timeouts{Stage: 10 * time.Minute, Restart: time.Minute},
		},
		Strategy: Strategy{Name: "canary", Canary: Size{N: 1}, Batch: Size{10, true}, Bake: 30 * time.Second, OnFailure: "rollback"},
		Discovery: Discovery{Consul: &Consul{Match: "node", Datacenter: "eu-1",
			Keys: Keys{Role: "role", Environment: "environment", Zone: "zone", SSHPort: "ssh_port", SSHUser: "ssh_user"}}},
		SSH: SSH{
			User: "deploy", Port: 22, IdentityFiles: []string{"/home/me/.ssh/id_ed25519"}, ConfigFile: "/home/me/.ssh/config",
			KnownHosts: []string{"/home/me/.ssh/known_hosts"}, ProxyJump: "bastion.example.com", Become: "sudo", BecomeUser: "root",
			BecomePasswordEnv: "ROLLPIN_SUDO_PASSWORD", ConnectTimeout: 10 * time.Second, KeepAlive: 15 * time.Second,
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	production := mustResolve(t, f, "production")
	if production.SSH.BecomePasswordFile != "/home/me/.config/rollpin-sudo" || production.SSH.BecomePasswordEnv != "" || production.SSH.User != "deploy" {
		t.Errorf("a password file does not take the place of the variable alone: %+v", production.SSH)
	}
	careful := Strategy{Name: "careful", Canary: Size{N: 1}, Batch: Size{10, true}, Bake: 2 * time.Minute, MaxFailures: Size{N: 1}, OnFailure: "rollback", Rollback: Pace{Batch: Size{50, true}}}
	if production.Service.Keep != 10 || production.Strategy != careful {
		t.Errorf("production: %+v", production)
	}
	for environment, want := range map[string]Discovery{
		"staging": {File: "/conf/staging.yaml"},
		"lab":     {Exec: []string{"/conf/nodes.py", "--all"}},
	} {
		if got := mustResolve(t, f, environment).Discovery; !reflect.DeepEqual(got, want) {
			t.Errorf("discovery of %s: %+v", environment, got)
		}
	}
	if c := mustResolve(t, f, "eu").Discovery.Consul; c.Match != "service" || c.Service != "acme-api" || c.Tag != "live" || c.Datacenter != "eu-1" {
		t.Errorf("discovery of eu: %+v", c)
	}
	if c := mustResolve(t, f, "us").Discovery.Consul; c.Match != "filter" || c.Filter == "" {
		t.Errorf("discovery of us: %+v", c)
	}
	if staging, lab := mustResolve(t, f, "staging").Lock, mustResolve(t, f, "lab").Lock; staging != "file" || lab != "consul" {
		t.Errorf("locks of staging and lab: %s, %s", staging, lab)
	}
	for name, want := range map[string]Restart{
		"web": {"pm2", "web", "reload"}, "worker": {"supervisor", "worker", "restart"}, "beat": {"runit", "beat", "restart"},
		"legacy": {"command", "/etc/init.d/legacy restart", "restart"},
	} {
		if target, err := f.Resolve(Request{Service: name, Environment: "nowhere"}); err != nil || target.Service.Restart != want {
			t.Errorf("restart of %s: %+v %v", name, target.Service.Restart, err)
		}
	}
	web, err := f.Resolve(Request{Service: "web", Environment: "nowhere"})
	checks := []Check{{Kind: "http", Target: "http://127.0.0.1:3000/healthz"}, {Kind: "tcp", Target: "127.0.0.1:3000"},
		{Kind: "command", Target: "test -e /run/web/ready"}, {Kind: "systemd", Target: "web.service"}}
	if err != nil || !reflect.DeepEqual(web.Service.Health.Checks, checks) || web.Service.Health.Passes != 5 || !web.Service.AllowScripts {
		t.Errorf("web: %+v %v", web.Service, err)
	}
	if web.Service.Path != "/srv/web" || web.Service.IndexAuth.PasswordFile != "/home/me/.config/npm-token" {
		t.Errorf("web: %+v", web.Service)
	}
}

func TestFlagsAloneAreEnough(t *testing.T) {
	got := mustResolve(t, Empty(), "production", mainJob...)
	s := got.Service
	if s.Name != "api" || s.Role != "web" || s.Package != "api" || s.Manager != "pip" || s.Path != "/srv/api" || s.Restart.Name != "api.service" {
		t.Errorf("got %+v", s)
	}
	if want := []Check{{Kind: "http", Target: "http://127.0.0.1:8080/healthz"}}; !reflect.DeepEqual(s.Health.Checks, want) || s.Health.Passes != 3 {
		t.Errorf("health: %+v", s.Health)
	}
	if got.Strategy.Name != "canary" || got.Discovery.Consul == nil {
		t.Errorf("got %+v", got)
	}
}

func TestFlagsLieOverTheFile(t *testing.T) {
	f := mustParse(t, `
discovery: {consul: {datacenter: eu}}
ssh: {user: deploy}
strategies: {careful: {canary: 2, batch: 10%}}
services:
  api:
    manager: pip
    path: /srv/api
    restart: {systemd: api.service, action: reload}
    health: {http: "http://127.0.0.1/", passes: 7}
    strategy: {name: careful, batch: 3}
`)
	for _, c := range []struct {
		flags []Flag
		get   func(Target) any
		want  any
	}{
		{nil, strategy, Strategy{Name: "careful", Canary: Size{N: 2}, Batch: Size{N: 3}, OnFailure: "rollback"}},
		{[]Flag{{"--canary", "strategy.canary", "0"}}, strategy, Strategy{Name: "careful", Batch: Size{N: 3}, OnFailure: "rollback"}},
		{[]Flag{{"--batch", "strategy.batch", "25%"}}, strategy, Strategy{Name: "careful", Canary: Size{N: 2}, Batch: Size{25, true}, OnFailure: "rollback"}},
		{[]Flag{{"--strategy", "strategy.name", "serial"}}, strategy, Strategy{Name: "serial", Batch: Size{N: 1}, OnFailure: "rollback"}},
		{[]Flag{{"--batch", "strategy.batch", "4"}, {"--strategy", "strategy.name", "serial"}, {"--max-failures", "strategy.max_failures", "10%"}},
			strategy, Strategy{Name: "serial", Batch: Size{N: 4}, MaxFailures: Size{10, true}, OnFailure: "rollback"}},
		{[]Flag{{"--inventory", "discovery.file", "nodes.yaml"}}, discovery, Discovery{File: "nodes.yaml"}},
		{[]Flag{{"--exec", "discovery.exec", "./nodes.py"}, {"--exec", "discovery.exec", "-a"}}, discovery, Discovery{Exec: []string{"./nodes.py", "-a"}}},
		{[]Flag{{"--user", "ssh.user", "root"}}, user, "root"},
		{[]Flag{{"--restart", "service.restart", "none"}}, restart, Restart{Kind: "none"}},
		{[]Flag{{"--restart", "service.restart", "systemd:web"}}, restart, Restart{"systemd", "web", "reload"}},
		{[]Flag{{"--restart", "service.restart", "command:a: b"}}, restart, Restart{"command", "a: b", "restart"}},
		{[]Flag{{"--health", "service.health", "https://[::1]/"}}, health, Health{[]Check{{Kind: "http", Target: "https://[::1]/"}}, 7, time.Second, time.Minute}},
		{[]Flag{{"--health", "service.health", "none"}}, health, Health{nil, 3, time.Second, time.Minute}},
		{[]Flag{{"--health", "service.health", "tcp:localhost:80"}, {"--health", "service.health", "systemd:api"}, {"--health", "service.health", "command:true"}},
			health, Health{[]Check{{Kind: "tcp", Target: "localhost:80"}, {Kind: "systemd", Target: "api"}, {Kind: "command", Target: "true"}}, 3, time.Second, time.Minute}},
	} {
		if got := c.get(mustResolve(t, f, "production", c.flags...)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: got %+v, want %+v", c.flags, got, c.want)
		}
	}
}

func strategy(t Target) any  { return t.Strategy }
func discovery(t Target) any { return t.Discovery }
func user(t Target) any      { return t.SSH.User }
func restart(t Target) any   { return t.Service.Restart }
func health(t Target) any    { return t.Service.Health }

func TestBuiltInStrategies(t *testing.T) {
	f := mustParse(t, minimal+"strategies: {canary: {bake: 5m}, mine: {}}")
	for name, want := range map[string]Strategy{
		"serial":   {"serial", Size{}, Size{N: 1}, 0, Size{}, "rollback", Pace{}},
		"canary":   {"canary", Size{N: 1}, Size{25, true}, 5 * time.Minute, Size{}, "rollback", Pace{}},
		"rolling":  {"rolling", Size{}, Size{25, true}, 0, Size{}, "rollback", Pace{}},
		"parallel": {"parallel", Size{}, Size{100, true}, 0, Size{}, "rollback", Pace{}},
		"mine":     {"mine", Size{}, Size{N: 1}, 0, Size{}, "rollback", Pace{}},
	} {
		if got := mustResolve(t, f, "production", Flag{"--strategy", "strategy.name", name}).Strategy; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestEnvironmentsLieOverTheRest(t *testing.T) {
	f := mustParse(t, `
discovery: {file: nodes.yaml}
ssh: {user: deploy, identity_files: [a, ~/b]}
services:
  api:
    manager: pip
    path: /srv//api/
    restart: systemd:api.service
    health: {http: "http://127.0.0.1/", passes: 7}
    timeouts: {stage: 5m}
environments:
  production:
    ssh: {identity_files: /etc/key}
    services:
      api:
        restart: {action: reload}
        health: {timeout: 90s, expect: {version: body}}
        timeouts: {restart: 2m}
        strategy: {batch: 50%}
  staging:
    discovery: {exec: nodes}
    services: {api: {restart: {pm2: api}, health: "tcp:[::1]:80", index_auth: {password_env: X}, index: "http://x/"}}
  empty:
`)
	p := mustResolve(t, f, "production")
	wantHealth := Health{[]Check{{Kind: "http", Target: "http://127.0.0.1/", Expect: Expect{Version: "body"}}}, 7, time.Second, 90 * time.Second}
	if !reflect.DeepEqual(p.Service.Health, wantHealth) {
		t.Errorf("health: %+v", p.Service.Health)
	}
	if p.Service.Restart != (Restart{"systemd", "api.service", "reload"}) || p.Service.Timeouts != (Timeouts{5 * time.Minute, 2 * time.Minute}) {
		t.Errorf("got %+v", p.Service)
	}
	if p.Strategy.Name != "canary" || p.Strategy.Batch != (Size{50, true}) || p.Service.Path != "/srv/api" || p.Discovery.File != "/conf/nodes.yaml" {
		t.Errorf("got %+v", p)
	}
	if !reflect.DeepEqual(p.SSH.IdentityFiles, []string{"/etc/key"}) || p.SSH.User != "deploy" {
		t.Errorf("ssh: %+v", p.SSH)
	}
	s := mustResolve(t, f, "staging")
	if s.Service.Restart != (Restart{"pm2", "api", "restart"}) || s.Service.Health.Passes != 3 || s.Service.Health.Checks[0].Kind != "tcp" {
		t.Errorf("another kind does not replace the whole: %+v", s.Service)
	}
	if !reflect.DeepEqual(s.Discovery, Discovery{Exec: []string{"nodes"}}) || !reflect.DeepEqual(s.SSH.IdentityFiles, []string{"/conf/a", "/home/me/b"}) {
		t.Errorf("got %+v", s)
	}
	mustResolve(t, f, "empty")
}

func TestWhatYAMLOffers(t *testing.T) {
	for name, text := range map[string]string{
		"byte order mark": "\ufeff" + minimal,
		"merge key":       "x-base: &base {manager: pip, path: /srv/api, restart: none, keep: 9}\nservices: {api: {<<: *base, keep: 5}}",
		"merge list":      "x-a: &a {manager: pip, path: /srv/api}\nx-b: &b {restart: none, manager: npm}\nservices: {api: {<<: [*a, *b]}}",
		"alias":           "x-p: &p /srv/api\nservices: {api: &api {manager: pip, path: *p, restart: none}, other: *api}",
		"JSON":            `{"services": {"api": {"manager": "pip", "path": "/srv/api", "restart": "none"}}}`,
		"end marks":       "---\n" + minimal + "...\n",
		"CRLF":            strings.ReplaceAll("services:\n  api:\n    manager: pip\n    path: /srv/api\n    restart: none\n", "\n", "\r\n"),
	} {
		target := mustResolve(t, mustParse(t, text), "production")
		if s := target.Service; s.Manager != "pip" || s.Path != "/srv/api" || s.Keep != 5 {
			t.Errorf("%s: got %+v", name, s)
		}
	}
}

func TestNodesNeedNoService(t *testing.T) {
	for name, f := range map[string]*File{"none": Empty(), "empty": mustParse(t, "\n# nothing\n"), "some": mustParse(t, "services: {api: {timeouts: {stage: 20s}}}")} {
		target, err := f.Resolve(Request{Environment: "production", Flags: []Flag{
			{"--inventory", "discovery.file", "nodes.yaml"}, {"--connect-timeout", "ssh.connect_timeout", "30s"},
		}})
		if err != nil || target.Discovery.File != "nodes.yaml" || !reflect.DeepEqual(target.Service, Service{}) || target.Strategy != (Strategy{}) {
			t.Errorf("%s: got %+v, %v", name, target, err)
		}
	}
}

func TestTargetsShareNothing(t *testing.T) {
	f := mustParse(t, minimal)
	mustResolve(t, f, "a").Discovery.Consul.Match = "changed"
	if got := mustResolve(t, f, "a").Discovery.Consul.Match; got != "node" {
		t.Errorf("got %s", got)
	}
}

func TestFindAndLoad(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(filepath.Join(deep, FileName), 0o755); err != nil { // a directory of that name is not the file
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte("discovery: {file: nodes.yaml}\nservices: {web: , api: }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	path, ok := Find(deep)
	if !ok || path != filepath.Join(dir, FileName) {
		t.Fatalf("found %q %v", path, ok)
	}
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.Services(), " "); got != "api web" {
		t.Errorf("services: %s", got)
	}
	target, err := f.Resolve(Request{Environment: "production"})
	if err != nil || target.Discovery.File != filepath.Join(dir, "nodes.yaml") {
		t.Errorf("got %+v, %v", target.Discovery, err)
	}
	t.Chdir(dir)
	if path, ok := Find("."); !ok || path != FileName {
		t.Errorf("found %q %v", path, ok)
	}
}

func TestExamples(t *testing.T) {
	for path, service := range map[string]string{"rollpin.yaml": "api", "rollpin-npm.yaml": "web"} {
		f, err := Load(filepath.Join("../../examples", path))
		if err != nil {
			t.Fatal(err)
		}
		for _, environment := range []string{"staging", "production"} {
			if target, err := f.Resolve(Request{Service: service, Environment: environment}); err != nil || len(target.Service.Health.Checks) == 0 {
				t.Errorf("%s in %s: %+v, %v", path, environment, target, err)
			}
		}
	}
}
