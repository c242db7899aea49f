package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestMistakesInARequest(t *testing.T) {
	one := mustParse(t, minimal+"environments: {production: {services: {api: {timeouts: {stage: 30s}}}}}")
	bare := mustParse(t, "services:\n  api: {index_auth: {password_env: X}}\n")
	for _, c := range []struct {
		file    *File
		request Request
		want    string
	}{
		{one, Request{Service: "apii", Environment: "production"}, `rollpin.yaml: unknown service "apii"; did you mean api? Known are api`},
		{one, Request{Service: "api", Environment: ""}, "-e: expected an environment's name (up to 63 letters, digits, _, . and -, the first no . or -), got \"\""},
		{one, Request{Service: "api", Environment: "a b"}, "-e: expected an environment's name (up to 63 letters, digits, _, . and -, the first no . or -), got \"a b\""},
		{one, Request{Service: "api", Environment: "a", Flags: []Flag{{"--batch", "strategy.batch", "120%"}, {"--canary", "strategy.canary", "x"}}},
			"--batch: expected a count from 1 or a percent from 1% to 100%, got \"120%\"\n--canary: expected a count or a percent up to 100%, got \"x\""},
		{one, Request{Service: "api", Environment: "a", Flags: []Flag{{"--strategy", "strategy.name", "serail"}}},
			`--strategy: unknown strategy "serail"; did you mean serial? Known are canary, parallel, rolling, serial`},
		{one, Request{Service: "api", Environment: "a", Flags: []Flag{{"--path", "service.path", "/"}}},
			`--path: expected a directory of the service's own, got "/"`},
		{one, Request{Service: "api", Environment: "production", Flags: []Flag{{"--connect-timeout", "ssh.connect_timeout", "1m"}}},
			"rollpin.yaml:2:64: environments.production.services.api.timeouts.stage: the deadlines are in the wrong order: " +
				"expected ssh.connect_timeout (1m) to be shorter than timeouts.stage (30s)"},
		{one, Request{Service: "api", Environment: "a", Flags: []Flag{{"--become", "ssh.become", "sudo"}, {"--path", "service.path", "~/api"}}},
			"--path: expected an absolute path: with ssh.become, ~/api could be in the home of the log-in user or of root"},
		{one, Request{Service: "api", Environment: "a", Flags: []Flag{{"--health", "service.health", "http://h/"}, {"--health", "service.health", "http:///"}}},
			`--health: expected a URL with a host, such as http://127.0.0.1:8080/healthz, got "http:///"`},
		{one, Request{Service: "api", Environment: "a", Flags: []Flag{{"--index", "service.index", "https://u:hunter2@h/"}}},
			"--index: expected a URL without a user name and password in it\nhint: name the user and where the password is in index_auth"},
		{bare, Request{Service: "api", Environment: "a"}, `rollpin.yaml:2:8: services.api: path is missing: the service's directory on the node, such as /srv/api
rollpin.yaml:2:8: services.api: manager is missing: the package manager: pip, npm or archive
rollpin.yaml:2:8: services.api: restart is missing: how it takes up a release, such as systemd:api.service; none if it needs no restart
rollpin.yaml:2:21: services.api.index_auth: needs the key index beside it: the credentials are sent to no other host`},
		{Empty(), Request{Service: "api", Environment: "a"}, `--manager: needed where no rollpin.yaml has it: the package manager: pip, npm or archive
--path: needed where no rollpin.yaml has it: the service's directory on the node, such as /srv/api
--restart: needed where no rollpin.yaml has it: how it takes up a release, such as systemd:api.service; none if it needs no restart
hint: give the flags, or write the service down in rollpin.yaml`},
		{Empty(), Request{Service: "@acme/api", Environment: "a"},
			"SERVICE: expected a service's name (up to 63 letters, digits, _, . and -, the first no . or -), got \"@acme/api\""},
	} {
		_, err := c.file.Resolve(c.request)
		if got := strings.TrimSuffix(problemsOf(t, err), "\n"); got != c.want {
			t.Errorf("%+v: got\n%s\nwant\n%s", c.request, got, c.want)
		}
	}
}

func TestUnreadableFiles(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "no.yaml"))
	if got := problemsOf(t, err); !strings.HasSuffix(got, "no.yaml: reading the configuration: no such file or directory\n") {
		t.Errorf("got %s", got)
	}
	for name, text := range map[string]string{
		"rollpin.yaml:2:4: expected text in UTF-8":                                            "a:\nb: \xff",
		`rollpin.yaml:1:4: control character '\x00'`:                                          "a: \x00",
		"rollpin.yaml: the file is larger than 1024 KiB":                                      strings.Repeat("#", 1<<20+1),
		"rollpin.yaml: expected at most 20000 values, 40 deep, once the aliases are unfolded": bomb(),
		"rollpin.yaml:1:1: expected a mapping, got a single value":                            "services",
	} {
		_, err := parse("rollpin.yaml", "", "", []byte(text))
		if got := problemsOf(t, err); !strings.HasPrefix(got, name) {
			t.Errorf("got %s, want %s", got, name)
		}
	}
}

// bomb is a small file that is huge once its aliases are unfolded.
func bomb() string {
	text := "x-0: &a0 [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]\n"
	for i := range 9 {
		n, m := string(rune('0'+i)), string(rune('1'+i))
		text += "x-" + m + ": &a" + m + " [" + strings.TrimSuffix(strings.Repeat("*a"+n+", ", 10), ", ") + "]\n"
	}
	return text
}

func TestAnErrorIsBounded(t *testing.T) {
	_, err := parse("rollpin.yaml", "", "", []byte("services:\n"+strings.Repeat("  ? [a]\n  : {}\n", 200)))
	var problems *Error
	if !errors.As(err, &problems) || len(problems.Problems) != 200 {
		t.Fatal(err)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != shown+1 || lines[shown] != "and 150 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func FuzzLoadAndResolve(f *testing.F) {
	f.Add([]byte(Reference), "service.health", "tcp:127.0.0.1:80")
	f.Add([]byte(minimal), "strategy.batch", "25%")
	f.Add([]byte("a: &a [*a]"), "discovery.exec", "./x")
	f.Add([]byte("services: {api: {<<: [{}, 1]}}"), "strategy", "serial")
	f.Fuzz(func(t *testing.T, data []byte, key, value string) {
		var problems *Error
		file, err := parse("rollpin.yaml", "/conf", "/home/me", data)
		if err != nil {
			if !errors.As(err, &problems) || len(problems.Problems) == 0 || problems.Error() == "" {
				t.Fatalf("an error without a problem: %v", err)
			}
			file = Empty()
		}
		for _, service := range append(file.Services(), "", "api") {
			flags := []Flag{{"--flag", key, value}, {"--batch", "strategy.batch", value}, {"--again", key, value}}
			if target, err := file.Resolve(Request{Service: service, Environment: "production", Flags: flags}); err == nil && service != "" {
				if s := target.Service; s.Path == "" || s.Manager == "" || s.Restart.Kind == "" || s.Health.Passes < 1 || target.Strategy.Batch.N < 1 {
					t.Fatalf("incomplete: %+v", target)
				}
			}
		}
	})
}
