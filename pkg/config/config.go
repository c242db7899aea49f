// Package config turns rollpin.yaml and flags into validated values, and says of every mistake where it stands and what was expected.
package config

import "time"

// Target is all that one run needs to know: a service in an environment, how its nodes are found and reached, and how they are paced.
type Target struct {
	Environment string
	Service     Service
	Strategy    Strategy
	Discovery   Discovery
	SSH         SSH
	// Lock is where the locks of deployments are: consul (the default where nodes come from Consul) or file (on this machine).
	Lock  string
	Cache Cache
}

// Cache says how releases are kept on this machine.
type Cache struct {
	// Size is how many bytes the archives of releases may take; 2 GiB by default.
	Size int64
}

// Discovery says where nodes come from: exactly one of File, Exec and Consul is set.
type Discovery struct {
	// File is the path of an inventory file.
	File string
	// Exec is a program and its arguments; it prints the inventory file's JSON.
	Exec   []string
	Consul *Consul
}

// Consul says how nodes are read from Consul. The address and the token come from CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN and their kin.
type Consul struct {
	// Match is node (node metadata; the default), service (service ROLE with tag ENVIRONMENT) or filter.
	Match string
	// Filter is a Consul filter expression, for Match filter; $role and $environment stand for quoted values.
	Filter string
	// Service and Tag replace ROLE and ENVIRONMENT for Match service.
	Service, Tag string
	// Datacenter is the datacenter to ask; empty for the agent's own.
	Datacenter string
	// Keys renames the node metadata that rollpin reads.
	Keys Keys
}

// Keys are the names of the node metadata that rollpin reads.
type Keys struct{ Role, Environment, Zone, SSHPort, SSHUser string }

// SSH says how nodes are reached. What is empty comes from the user's ssh_config, then from OpenSSH's defaults.
type SSH struct {
	User string
	// Port is 0 for the node's own, else ssh_config's, else 22.
	Port int
	// IdentityFiles are private keys, tried before the agent's.
	IdentityFiles []string
	// ConfigFile replaces ~/.ssh/config; "none" reads no configuration.
	ConfigFile string
	// KnownHosts replaces ssh_config's UserKnownHostsFile.
	KnownHosts []string
	// ProxyJump replaces ssh_config's: [user@]host[:port], several separated by commas, or none.
	ProxyJump string
	// Become is "" (none in the file) or "sudo".
	Become string
	// BecomeUser is the user to become; root by default, and empty without Become.
	BecomeUser string
	// BecomePasswordEnv names the variable, BecomePasswordFile the file, that holds sudo's password.
	BecomePasswordEnv, BecomePasswordFile string
	// ConnectTimeout bounds dialling, handshake and log-in together; 0 for ssh_config's, else 10s.
	ConnectTimeout time.Duration
	// KeepAlive is the interval of keepalive requests; 0 for ssh_config's, else 15s. Three unanswered ones end the connection.
	KeepAlive time.Duration
}

// Service is what is deployed: one package, its role, how it restarts, how its health is told.
type Service struct {
	// Name, Role and Package: the latter two default to the name.
	Name, Role, Package string
	// Manager is pip, npm or archive.
	Manager string
	// Index is the package index or registry; empty for what the node's own configuration says.
	Index     string
	IndexAuth IndexAuth
	// Python is the interpreter that makes the venv; python3 by default. Manager pip only.
	Python string
	// AllowSource lets pip build from source distributions; AllowScripts lets npm run lifecycle scripts.
	AllowSource, AllowScripts bool
	// AllowYanked accepts a yanked version that was asked for by number.
	AllowYanked bool
	// Layout is releases (the default: each release has a directory of its own) or in-place (Path is a venv or an npm prefix that stays).
	Layout string
	// Install is once (the default: one node of each platform installs, the others get its files) or each (every node installs from the lock).
	Install string
	// Share is copy (the default) or hardlink: how files that did not change come from a release that a node has.
	Share string
	// Path is the service's directory on the node: absolute, or under the log-in user's home with a leading ~/, which Become forbids.
	Path string
	// Keep is how many releases stay on a node, 1 or more; 5 by default.
	Keep int
	// MinFree is how many bytes must be free at Path before anything is staged; 256 MiB by default.
	MinFree int64
	Restart Restart
	Health  Health
	// Timeouts bound each step on one node.
	Timeouts Timeouts
}

// IndexAuth says where the credentials of the index are: never the credentials themselves.
type IndexAuth struct {
	// User is the user name of pip's basic authentication; empty for npm's token.
	User string
	// PasswordEnv names the variable, PasswordFile the file, that holds the password or token.
	PasswordEnv, PasswordFile string
}

// Timeouts bound the steps on one node.
type Timeouts struct {
	// Stage covers resolving or installing on a node; 10m by default. Restart covers one restart; 1m by default.
	Stage, Restart time.Duration
}

// Restart says how a service takes up a new release.
type Restart struct {
	// Kind is systemd, supervisor, runit, pm2, command, or none.
	Kind string
	// Name is the unit, program, service or app; the shell line for command.
	Name string
	// Action is restart (the default) or reload.
	Action string
}

// Health is what a node must show after activation.
type Health struct {
	// Checks must all pass; none means that a restart that holds is health enough.
	Checks []Check
	// Passes is how many consecutive rounds must pass, 1 or more; 3 by default.
	Passes int
	// Interval is the time between rounds; 1s by default.
	Interval time.Duration
	// Timeout is the deadline for all of it, counted from the end of the restart; 60s by default.
	Timeout time.Duration
}

// Check is one probe.
type Check struct {
	// Kind is http, tcp, command or systemd.
	Kind string
	// Target is the URL, HOST:PORT, shell line or unit.
	Target string
	// The rest is for http.
	Expect Expect
	// Headers are sent with the request; Host sets the virtual host.
	Headers map[string]string
	// Insecure skips verification of the certificate; ServerName and CAFile steer it.
	Insecure   bool
	ServerName string
	CAFile     string
}

// Expect is what an http check must answer.
type Expect struct {
	// Status is the wanted status; 0 for any of 200 to 299.
	Status int
	// Body must be contained in the answer.
	Body string
	// Version says where the answer tells the running version: json:FIELD.SUBFIELD, header:NAME, or body (all of it, trimmed).
	Version string
}

// Strategy is how nodes are grouped and paced.
type Strategy struct {
	Name string
	// Canary is the size of the first wave; zero for none.
	Canary Size
	// Batch is the size of every later wave.
	Batch Size
	// Bake is how long a wave must stay healthy before the next starts.
	Bake time.Duration
	// MaxFailures is the budget of the whole deployment; percents of it round down.
	MaxFailures Size
	// OnFailure is rollback or halt.
	OnFailure string
	// Rollback is the pace of the way back.
	Rollback Pace
}

// Pace is how nodes go back to what they ran before: no canary, no bake.
type Pace struct {
	// Batch is how many nodes go back at once; zero for as many as a batch of the strategy has.
	Batch Size
}

// Size is a number of nodes, or a share of them.
type Size struct {
	// N is a count, 0 or more, or a percentage from 0 to 100.
	N       int
	Percent bool
}

// Of returns the number of nodes out of total; a percentage over zero rounds up to at least one node.
func (s Size) Of(total int) int {
	if !s.Percent {
		return min(s.N, total)
	}
	return (s.N*total + 99) / 100
}

// Budget returns the number of nodes out of total that may fail: percentages round down, so that rounding never adds a failure.
func (s Size) Budget(total int) int {
	if !s.Percent {
		return s.N
	}
	return s.N * total / 100
}
