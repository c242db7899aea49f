package main

import (
	"os"
	"testing"
	"time"
)

func TestCIJob(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"":                            {"GITHUB_SERVER_URL": "https://github.com", "RD_JOB_SERVERURL": "https://rundeck"},
		"https://jenkins/job/api/42/": {"BUILD_URL": "https://jenkins/job/api/42/"},
		"https://rundeck/project/web/execution/show/7":   {"RD_JOB_SERVERURL": "https://rundeck/", "RD_JOB_PROJECT": "web", "RD_JOB_EXECID": "7"},
		"https://rundeck/project/web/execution/follow/7": {"RD_JOB_URL": "https://rundeck/project/web/execution/follow/7", "RD_JOB_SERVERURL": "https://rundeck"},
		"https://gitlab/x/-/jobs/3":                      {"CI_JOB_URL": "https://gitlab/x/-/jobs/3"},
		"https://github.com/acme/api/actions/runs/9":     {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/api", "GITHUB_RUN_ID": "9"},
		"https://buildkite/1":                            {"BUILDKITE_BUILD_URL": "https://buildkite/1"},
		"https://circle/1":                               {"CIRCLE_BUILD_URL": "https://circle/1"},
	} {
		if got := ciJob(func(name string) string { return env[name] }); got != want {
			t.Errorf("%v: got %q", env, got)
		}
	}
}

func TestPerson(t *testing.T) {
	env := func(name string) string { return map[string]string{"SUDO_USER": "ann", "USER": "bob"}[name] }
	for name, want := range map[string]string{"root": "ann", "deploy": "deploy", "": "bob"} {
		if got := person(name, env); got != want {
			t.Errorf("%q: got %q", name, got)
		}
	}
}

func TestHolder(t *testing.T) {
	t.Setenv("BUILD_URL", "https://jenkins/job/api/42/")
	got := new(session).holder("deploy", "d1", "the hotfix")
	if got.Deployment != "d1" || got.Command != "deploy" || got.Reason != "the hotfix" || got.PID != os.Getpid() || got.CI != "https://jenkins/job/api/42/" ||
		got.User == "" || got.Host == "" || time.Since(got.Since) > time.Minute {
		t.Errorf("got %+v", got)
	}
}
