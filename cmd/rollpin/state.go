package main

import (
	"errors"
	"os"
	"path/filepath"
)

// stateDir is where rollpin keeps what must outlive a run, on this machine: $XDG_STATE_HOME/rollpin, or ~/.local/state/rollpin.
func stateDir() (string, error) {
	if home := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, "rollpin"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", usageError{hinted{errors.New("there is no home directory to keep locks and journals in"), "set HOME or XDG_STATE_HOME"}}
	}
	return filepath.Join(home, ".local", "state", "rollpin"), nil
}
