package main

import (
	"cmp"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/lock"
)

// holder says who runs this command, for the lock, the nodes and the journal.
func (s *session) holder(command, id, reason string) lock.Holder {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	name := ""
	if current, err := user.Current(); err == nil {
		name = current.Username
	}
	return lock.Holder{Deployment: id, Command: command, User: person(name, os.Getenv), Host: host, PID: os.Getpid(), Since: time.Now().UTC(),
		CI: ciJob(os.Getenv), Reason: reason}
}

// person is who stands behind the name of a process's user: whoever called sudo, where that is root.
func person(name string, env func(string) string) string {
	if name == "root" {
		name = cmp.Or(env("SUDO_USER"), name)
	}
	return cmp.Or(name, env("USER"), env("LOGNAME"), "unknown")
}

// ciJob is the address of the CI job that this is a step of, as Jenkins, Rundeck, GitLab, GitHub, Buildkite and CircleCI tell it; empty outside
// of them.
func ciJob(env func(string) string) string {
	return cmp.Or(env("BUILD_URL"), rundeckJob(env), env("CI_JOB_URL"), githubJob(env), env("BUILDKITE_BUILD_URL"), env("CIRCLE_BUILD_URL"))
}

func rundeckJob(env func(string) string) string {
	server, project, execution := env("RD_JOB_SERVERURL"), env("RD_JOB_PROJECT"), env("RD_JOB_EXECID")
	if link := env("RD_JOB_URL"); link != "" || server == "" || project == "" || execution == "" {
		return link
	}
	return strings.TrimRight(server, "/") + "/project/" + project + "/execution/show/" + execution
}

func githubJob(env func(string) string) string {
	server, repository, run := env("GITHUB_SERVER_URL"), env("GITHUB_REPOSITORY"), env("GITHUB_RUN_ID")
	if server == "" || repository == "" || run == "" {
		return ""
	}
	return server + "/" + repository + "/actions/runs/" + run
}
