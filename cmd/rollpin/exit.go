package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/rollpin/rollpin/pkg/artifact"
	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/remote"
	"github.com/rollpin/rollpin/pkg/report"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// The exit statuses that rollpin promises.
const (
	exitDone      = 0
	exitRestored  = 1
	exitUsage     = 2
	exitUntouched = 3
	exitMixed     = 4
	exitLocked    = 5
)

// usageError is a command line that cannot be carried out.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// hinted is an error with the next command to type.
type hinted struct {
	error
	hint string
}

func (e hinted) Hint() string  { return e.hint }
func (e hinted) Unwrap() error { return e.error }

// endedError is a command whose last block is written already, and that still must not exit 0.
type endedError struct {
	status int
}

func (e endedError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal os.Signal }

func (e signalError) Error() string {
	if e.signal == os.Interrupt {
		return "interrupted by SIGINT"
	}
	return "interrupted by " + strings.ToUpper(signalName(e.signal))
}

func signalName(s os.Signal) string {
	switch s {
	case syscall.SIGTERM:
		return "SIGTERM"
	case syscall.SIGHUP:
		return "SIGHUP"
	}
	return s.String()
}

// exitStatus is the one switch from errors to exit statuses.
func exitStatus(err error) int {
	var ended endedError
	var signal signalError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &ended):
		return ended.status
	case errors.As(err, &signal):
		return signalStatus(signal)
	case isUsage(err):
		return exitUsage
	case isHeld(err):
		return exitLocked
	default:
		return exitUntouched
	}
}

// isHeld tells that another deployment holds the lock, or nodes.
func isHeld(err error) bool {
	var held *lock.HeldError
	var guarded *rollout.GuardedError
	return errors.As(err, &held) || errors.As(err, &guarded)
}

func isUsage(err error) bool {
	var usage usageError
	var invalid *config.Error
	var inventoryFile *inventory.InvalidError
	var limit *inventory.LimitError
	var sshConfig *remote.ConfigError
	var unusable *artifact.Error
	return errors.As(err, &usage) || errors.As(err, &invalid) || errors.As(err, &inventoryFile) || errors.As(err, &limit) ||
		errors.As(err, &sshConfig) || errors.As(err, &unusable)
}

func signalStatus(e signalError) int {
	if number, ok := e.signal.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return 128 + int(syscall.SIGINT)
}

// outcomeError turns the end of a deployment into an error with its exit status; nil for success.
func outcomeError(ctx context.Context, o rollout.Outcome) error {
	var signal signalError
	if complete := o.Status == rollout.Succeeded || o.Status == rollout.Unchanged; !complete && errors.As(context.Cause(ctx), &signal) {
		return endedError{signalStatus(signal)}
	}
	switch o.Why { // what earlier runs of the deployment left does not matter to who may not go on with it
	case rollout.Locked:
		return endedError{exitLocked}
	case rollout.Overtaken:
		return endedError{exitUntouched}
	}
	switch o.Status {
	case rollout.Succeeded, rollout.Unchanged, rollout.AllStaged, rollout.DryRun:
		return nil
	case rollout.Restored:
		return endedError{exitRestored}
	case rollout.Untouched:
		if isUsage(o.Err) {
			return endedError{exitUsage}
		}
		return endedError{exitUntouched}
	default:
		return endedError{exitMixed}
	}
}

// showError writes what went wrong, and what to type next.
func (s *session) showError(err error) {
	var ended endedError
	if err == nil || errors.As(err, &ended) {
		return
	}
	var signal signalError
	if errors.As(context.Cause(s.ctx), &signal) {
		err = signal
	}
	show := func(prefix, text string) {
		for line := range strings.Lines(text) {
			fmt.Fprintf(s.stderr, "%s %s\n", prefix, report.Clean(strings.TrimRight(line, "\n")))
		}
	}
	show("error:", err.Error())
	var hint interface{ Hint() string }
	if errors.As(err, &hint) {
		show("hint:", hint.Hint())
	}
}
