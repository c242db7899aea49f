package remote

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
)

// resolved is what a node becomes under the given ssh_config.
func resolved(t *testing.T, text string, n inventory.Node, ssh config.SSH) (endpoint, error) {
	t.Helper()
	w := newWorld(t)
	w.write("config", strings.ReplaceAll(text, "HOME", w.home))
	ssh.ConfigFile = w.path("config")
	w.options.SSH = ssh
	d, err := New(w.options)
	if err != nil {
		return endpoint{}, err
	}
	t.Cleanup(func() { _ = d.Close() })
	d.localUser = "me"
	node := d.Node(n)
	return node.link.to, node.err
}

func TestSSHConfigDecidesHostPortAndUser(t *testing.T) {
	web := inventory.Node{Name: "web-1", Address: "10.0.0.5"}
	for name, c := range map[string]struct {
		config string
		node   inventory.Node
		ssh    config.SSH
		want   string // user@host:port
	}{
		"nothing said":                {"", web, config.SSH{}, "me@10.0.0.5:22"},
		"block by name":               {"Host web-1\n Port 2201\n User alice", web, config.SSH{}, "alice@10.0.0.5:2201"},
		"block by address":            {"Host 10.0.0.*\n Port 2202", web, config.SSH{}, "me@10.0.0.5:2202"},
		"both, first wins":            {"Host 10.0.0.*\n Port 2202\nHost web-1\n Port 1\n User bob", web, config.SSH{}, "bob@10.0.0.5:2202"},
		"negated name":                {"Host * !web-1\n Port 2203", web, config.SSH{}, "me@10.0.0.5:22"},
		"negated address":             {"Host web-* !10.*\n Port 2203", web, config.SSH{}, "me@10.0.0.5:22"},
		"HostName beats the address":  {"Host web-1\n HostName web-1.vpn", web, config.SSH{}, "me@web-1.vpn:22"},
		"HostName with %h":            {"Host web-*\n HostName %h.corp", web, config.SSH{}, "me@web-1.corp:22"},
		"inventory beats all":         {"Host *\n Port 1\n User x", inventory.Node{Name: "a", Address: "b", Port: 7, User: "inv"}, config.SSH{User: "y", Port: 8}, "inv@b:7"},
		"rollpin.yaml beats config":   {"Host *\n Port 1\n User x", web, config.SSH{User: "y", Port: 8}, "y@10.0.0.5:8"},
		"equals sign, quotes, case":   {"HOST=web-1\n\tport = \"2204\" # why\n USER 'al'", web, config.SSH{}, "al@10.0.0.5:2204"},
		"tabs between patterns":       {"Host\tx\tweb-1\nPort 2205", web, config.SSH{}, "me@10.0.0.5:2205"},
		"CRLF":                        {"Host web-1\r\n  Port 2206\r\n", web, config.SSH{}, "me@10.0.0.5:2206"},
		"IPv6":                        {"Host 2001:db8::*\n Port 9", inventory.Node{Name: "six", Address: "2001:db8::1"}, config.SSH{}, "me@[2001:db8::1]:9"},
		"Match all":                   {"Match all\n Port 3", web, config.SSH{}, "me@10.0.0.5:3"},
		"Match host":                  {"Match host db-*,web-*\n Port 4", web, config.SSH{}, "me@10.0.0.5:4"},
		"Match host and user":         {"Match host web-* user bob\n Port 4\nMatch host web-* user me\n Port 5", web, config.SSH{}, "me@10.0.0.5:5"},
		"Match user of rollpin.yaml":  {"Match user bob\n Port 4", web, config.SSH{User: "bob"}, "bob@10.0.0.5:4"},
		"Match host after HostName":   {"Host web-1\n HostName real\nMatch host real\n Port 6\nMatch host web-1\n Port 7", web, config.SSH{}, "me@real:6"},
		"Match originalhost":          {"Host web-1\n HostName real\nMatch originalhost web-1\n Port 6", web, config.SSH{}, "me@real:6"},
		"Match negated":               {"Match !user root\n Port 6", web, config.SSH{}, "me@10.0.0.5:6"},
		"Match final":                 {"Match final host real\n Port 8\nHost *\n HostName real", web, config.SSH{}, "me@real:8"},
		"Match exec does not matter":  {"Match host db-* exec \"true\"\n Port 4", web, config.SSH{}, "me@10.0.0.5:22"},
		"ProxyCommand none":           {"Host *\n ProxyCommand none", web, config.SSH{}, "me@10.0.0.5:22"},
		"ProxyJump before the other":  {"Host *\n ProxyJump none\nHost *\n ProxyCommand nc %h %p", web, config.SSH{}, "me@10.0.0.5:22"},
		"unknown keywords are passed": {"Host *\n SendEnv LANG LC_*\n ForwardAgent yes\n ControlPath ~/x'\\''y", web, config.SSH{}, "me@10.0.0.5:22"},
	} {
		to, err := resolved(t, c.config, c.node, c.ssh)
		if got := to.user + "@" + to.address(); err != nil || got != c.want {
			t.Errorf("%s: %s (%v), want %s", name, got, err, c.want)
		}
	}
}

func TestSSHConfigDecidesTheRest(t *testing.T) {
	to, err := resolved(t, `
Host web-*
  ConnectTimeout 1m5s
  ServerAliveInterval 7
  ServerAliveCountMax 2
  StrictHostKeyChecking accept-new
  IdentityFile ~/.ssh/%n-%r
  UserKnownHostsFile ~/.ssh/hosts "HOME/more hosts"
  HostKeyAlias alias
  AddressFamily inet
Host *
  IdentityFile %d/fallback
  IdentitiesOnly yes
  CertificateFile ~/cert
  IdentityAgent ~/agent.sock
  ConnectTimeout none
`, inventory.Node{Name: "web-1", Address: "10.0.0.5"}, config.SSH{IdentityFiles: []string{"deploy_key"}})
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, file := range to.identities {
		files = append(files, filepath.Base(file.path))
	}
	if !slices.Equal(files, []string{"deploy_key", "web-1-me", "fallback"}) || !to.identitiesOnly {
		t.Errorf("identities: %v", files)
	}
	if to.connectTimeout != 65*time.Second || to.keepAlive != 7*time.Second || to.keepAliveMax != 2 || to.network != "tcp4" {
		t.Errorf("times: %v %v %v %v", to.connectTimeout, to.keepAlive, to.keepAliveMax, to.network)
	}
	if to.strict != "accept-new" || to.hostKeyAlias != "alias" || len(to.userKnownHosts) != 2 || filepath.Base(to.userKnownHosts[1]) != "more hosts" {
		t.Errorf("host keys: %q %q %q", to.strict, to.hostKeyAlias, to.userKnownHosts)
	}
	if filepath.Base(to.agent) != "agent.sock" || len(to.certificates) != 1 {
		t.Errorf("agent %q, certificates %q", to.agent, to.certificates)
	}
}

func TestSSHConfigDefaults(t *testing.T) {
	to, err := resolved(t, "Host *\n ConnectTimeout none\n ServerAliveInterval 0", inventory.Node{Name: "a"}, config.SSH{})
	if err != nil || to.connectTimeout != 10*time.Second || to.keepAlive != 0 || to.host != "a" || to.strict != "yes" {
		t.Errorf("got %+v, %v", to, err)
	}
	if to, _ = resolved(t, "", inventory.Node{Name: "a"}, config.SSH{}); to.keepAlive != 15*time.Second || len(to.identities) != 5 {
		t.Errorf("got %+v", to)
	}
}

func TestInclude(t *testing.T) {
	w := newWorld(t)
	w.write("config", "Include conf.d/*.conf nothing-here\nHost db-*\n Include ~/.ssh/db\n User dba\nHost *\n Port 22\n")
	w.write("conf.d/a.conf", "Host web-1\n Port 1\n")
	w.write("conf.d/b.conf", "Host web-*\n Port 2\n User b\n")
	w.write("db", "Port 5\nHost db-2 web-1\n Port 6\n HostName real\n")
	d := w.dialer()
	for node, want := range map[string]string{"web-1": "b@web-1:1", "web-2": "b@web-2:2", "db-1": "dba@db-1:5", "db-2": "dba@real:5"} {
		to, err := d.endpoint(query{name: node, address: node}, 0, false)
		if got := to.user + "@" + to.address(); err != nil || got != want {
			t.Errorf("%s: %s (%v), want %s", node, got, err, want)
		}
	}
	w.write("config", "Include config\n")
	if _, err := New(w.options); err == nil || !strings.Contains(err.Error(), "deeper") {
		t.Errorf("a circle of Include gave %v", err)
	}
}

func TestSSHConfigMistakesAreToldWithTheirPlace(t *testing.T) {
	web := inventory.Node{Name: "web-1"}
	for text, want := range map[string]string{
		"Host *\n Port many":                            "config:2: port is \"many\"",
		"Host *\n Port 70000":                           "config:2",
		"Host *\n User \"x":                             "config:2: a quote is not closed",
		"Host *\n ConnectTimeout soon":                  "config:2: connecttimeout",
		"Host *\n StrictHostKeyChecking perhaps":        "config:2: StrictHostKeyChecking",
		"Host *\n ProxyCommand nc 'a %h":                "config:2: ProxyCommand is not supported",
		"Host *\n ProxyCommand nc\n ProxyJump b":        "ProxyCommand is not supported",
		"Match exec \"test -f x\"\n Port 1":             "config:1: Match exec cannot be decided",
		"Match localnetwork 10.0.0.0/8\n Port 1":        "config:1: Match localnetwork",
		"Match host":                                    "config:1: criterion host of Match needs a value",
		"Host *\n HostName":                             "config:2: hostname needs a value",
		"Host *\n RevokedHostKeys /x":                   "revokedhostkeys is not supported",
		"Host *\n IdentityFile ~/%Z":                    "% token",
		"Host *\n IdentityFile ${NOT_SET_ANYWHERE}/key": "NOT_SET_ANYWHERE",
		"Host *\n ProxyJump a@b:c":                      "is no jump host",
	} {
		_, err := resolved(t, text, web, config.SSH{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	_, err := resolved(t, "Host *\n ProxyCommand ssh -W %h:%p b", web, config.SSH{})
	var mistake *ConfigError
	if !errors.As(err, &mistake) || !strings.Contains(mistake.Hint(), "ProxyJump") {
		t.Errorf("no hint in %v", err)
	}
}

func TestRoutes(t *testing.T) {
	for name, c := range map[string]struct {
		config, jump, want string
	}{
		"none":                             {"Host *\n ProxyJump none", "", ""},
		"one":                              {"Host web\n ProxyJump u@b:7", "", "u@b:7"},
		"several":                          {"Host web\n ProxyJump a,ssh://u@[::1]:7/", "", "me@a:22 u@[::1]:7"},
		"looked up":                        {"Host web\n ProxyJump b\nHost b\n HostName real\n User x\n Port 8", "", "x@real:8"},
		"of the jump host":                 {"Host web\n ProxyJump b\nHost b\n ProxyJump a", "", "me@a:22 me@b:22"},
		"a star that matches the jump too": {"Host *\n ProxyJump b", "", "me@b:22"},
		"rollpin.yaml's":                   {"Host web\n ProxyJump a\n ProxyCommand x", "b", "me@b:22"},
		"a circle":                         {"Host web\n ProxyJump a\nHost a\n ProxyJump b\nHost b\n ProxyJump a", "", "circle"},
	} {
		w := newWorld(t)
		w.write("config", c.config)
		w.options.SSH.ProxyJump = c.jump
		d := w.dialer()
		d.localUser = "me"
		node := d.Node(inventory.Node{Name: "web"})
		if node.err != nil {
			if !strings.Contains(node.err.Error(), c.want) || c.want == "" {
				t.Errorf("%s: %v", name, node.err)
			}
			continue
		}
		var hops []string
		for l := node.link.via; l != nil; l = l.via {
			hops = append([]string{l.to.user + "@" + l.to.address()}, hops...)
		}
		if got := strings.Join(hops, " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{{"*", "", true}, {"a*c", "abbc", true}, {"a?c", "ac", false}, {"*.b.*", "a.b.c", true}, {"a**", "a", true}, {"", "a", false}, {"*a", "ba", true}, {"*ab", "aab", true}} {
		if wildcard(c.pattern, c.text) != c.want {
			t.Errorf("%q against %q is not %v", c.pattern, c.text, c.want)
		}
	}
}

func FuzzSSHConfig(f *testing.F) {
	f.Add("Host a b\n Port 1\nMatch host x user=y\n IdentityFile \"a b\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") {
			t.Skip()
		}
		path := filepath.Join(t.TempDir(), "config")
		writeFile(t, path, text)
		config, err := readSSHConfig(path, "/nowhere", "")
		if err == nil {
			_, _ = config.lookup(query{name: "a", address: "b"})
		}
	})
}
