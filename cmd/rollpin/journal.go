package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/report"
)

// stateDir is where rollpin keeps what must outlive it: $XDG_STATE_HOME/rollpin, by default ~/.local/state/rollpin. A path that is not
// absolute is passed over, as the XDG base directory specification says.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rollpin"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", hinted{fmt.Errorf("finding a place for journals: %w", err), "export XDG_STATE_HOME=DIRECTORY"}
	}
	return filepath.Join(home, ".local", "state", "rollpin"), nil
}

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
