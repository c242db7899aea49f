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

// deployments returns all that is known of the deployments of a service in an environment, the newest first; either may be empty for all.
// Records that cannot be read are told on stderr.
func (s *session) deployments(environment, service string) ([]journal.Deployment, error) {
	dir, err := journalDir()
	if err != nil {
		return nil, err
	}
	local, err := journal.List(dir, environment, service)
	s.warnEach(err)
	return journal.Merge(local, s.sharedDeployments(environment, service)), nil
}

// sharedDeployments are those that other machines have put into Consul, if locks are there. Where it cannot be asked, what this machine knows
// has to do.
func (s *session) sharedDeployments(environment, service string) []journal.Deployment {
	file, err := s.load()
	if err != nil {
		s.warnEach(err)
		return nil
	}
	t, err := file.Resolve(config.Request{Environment: environment})
	if err != nil || t.Lock != "consul" || len(file.Services()) == 0 && os.Getenv("CONSUL_HTTP_ADDR") == "" {
		return nil
	}
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
