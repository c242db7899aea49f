package main

import (
	"errors"
	"fmt"
	"path/filepath"

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
	// Records that are kept outside of this machine come in here.
	return journal.Merge(local, nil), nil
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
