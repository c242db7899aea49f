package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/consul"
	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/report"
)

// journalDir is where the journals of this machine are.
func journalDir() (string, error) {
	state, err := stateDir()
	return filepath.Join(state, "journal"), err
}

// deployments returns all that is known of the deployments of a service in an environment, the newest first; either may be empty for all. What
// the configuration says for it is in t; nil to find out. Records that cannot be read are told on stderr.
func (s *session) deployments(environment, service string, t *config.Target) ([]journal.Deployment, error) {
	dir, err := journalDir()
	if err != nil {
		return nil, err
	}
	local, err := journal.List(dir, environment, service)
	s.warnEach(err)
	targets := s.lockTargets(environment)
	if t != nil {
		targets = []config.Target{*t}
	}
	var shared []journal.Deployment
	asked := map[string]bool{}
	for _, t := range targets {
		datacenter := ""
		if t.Discovery.Consul != nil {
			datacenter = t.Discovery.Consul.Datacenter
		}
		if t.Lock == "consul" && !asked[datacenter] {
			asked[datacenter] = true
			shared = append(shared, s.sharedDeployments(environment, service, t)...)
		}
	}
	return journal.Merge(local, shared), nil
}

// lockTargets is what the configuration says of an environment, or of each where none is named; nothing where there is no configuration at all.
func (s *session) lockTargets(environment string) []config.Target {
	file, err := s.load()
	if err != nil {
		s.warnEach(err)
		return nil
	}
	if len(file.Services()) == 0 && os.Getenv("CONSUL_HTTP_ADDR") == "" {
		return nil
	}
	environments := []string{environment}
	if environment == "" {
		environments = append(file.Environments(), "any")
	}
	var targets []config.Target
	for _, name := range environments {
		if t, err := file.Resolve(config.Request{Environment: name}); err == nil {
			targets = append(targets, t)
		}
	}
	return targets
}

// sharedDeployments are those that other machines have put into Consul. Where it cannot be asked, what this machine knows has to do.
func (s *session) sharedDeployments(environment, service string, t config.Target) []journal.Deployment {
	places, err := s.locks(t)
	shared, ok := places.(*consul.Locks)
	if err != nil || !ok {
		s.warnEach(err)
		return nil
	}
	records, err := shared.Records(s.soft, environment, service)
	s.warnEach(err)
	var all []journal.Deployment
	for _, value := range records {
		d, err := journal.Unpack(value)
		if err != nil {
			s.warnEach(err)
			continue
		}
		all = append(all, d)
	}
	return all
}

// warnEach tells errors that were joined, one by one.
func (s *session) warnEach(err error) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, each := range joined.Unwrap() {
			s.warnEach(each)
		}
		return
	}
	if err != nil {
		fmt.Fprintln(s.stderr, "warning:", report.Clean(err.Error()))
	}
}
