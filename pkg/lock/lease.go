package lock

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Key is what is locked: a service in an environment.
type Key struct{ Environment, Service string }

// String is "api on production", as in "deploy api on production".
func (k Key) String() string { return k.Service + " on " + k.Environment }

// Path is ENVIRONMENT/SERVICE, each part escaped so that none has a slash or is a way up.
func (k Key) Path() string { return escape(k.Environment) + "/" + escape(k.Service) }

func escape(name string) string {
	if strings.Trim(name, ".") == "" {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}

// Lease is a lock that is held. It ends by Release, with its process, or when it is lost.
type Lease interface {
	// Done is closed when the lock is lost, and only then: not by Release.
	Done() <-chan struct{}
	// Err is the *LostError that says why the lock is lost; nil while it is held. It asks the clock: after the process or the machine slept, Err
	// knows of the loss before Done is closed. Ask it before each step that only the holder may take.
	Err() error
	// Release gives the lock back, within a second, even where ctx has ended. After an error the lock frees itself in its own time.
	Release(ctx context.Context) error
}

// HeldError says that somebody else holds the lock.
type HeldError struct {
	Key Key
	// Holder is zero where the holder has not said yet who it is.
	Holder Holder
	// Held is how long it has been held, by this machine's clock; 0 where that is unknown.
	Held time.Duration
	// Where is the place of the lock: a file, or Consul at an address.
	Where string
}

// Error names the holder, since when, and where the lock is.
func (e *HeldError) Error() string {
	return fmt.Sprintf("another deployment of %s holds the lock: %s (the lock is in %s)", e.Key, e.Who(), e.Where)
}

// Who is the holder and since when: "deploy 20261121T101500-ABCD by ann on build-1 (https://ci/42): the hotfix, since 10:15:00 UTC, 2m30s ago".
func (e *HeldError) Who() string {
	if e.Holder == (Holder{}) {
		return "a process that has not said who it is"
	}
	text := fmt.Sprintf("%s, since %s", e.Holder, e.Holder.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
	if e.Held > 0 {
		text += fmt.Sprintf(", %s ago", e.Held.Round(time.Second))
	}
	return text
}

// Hint names the commands that go on from here.
func (e *HeldError) Hint() string {
	return fmt.Sprintf("wait for it with --wait 10m; if its deployer is gone for good: rollpin unlock %s -e %s", e.Key.Service, e.Key.Environment)
}

// LostError says why a lock that was held is lost: whoever has it must start nothing more.
type LostError struct {
	Key Key
	// Where is the place of the lock: a file, or Consul at an address.
	Where string
	// Reason is why, as far as it is known.
	Reason string
	// Cause is the last error of keeping it; nil where nothing failed.
	Cause error
}

// Error says what was lost and why.
func (e *LostError) Error() string {
	text := fmt.Sprintf("the lock of %s in %s is lost: %s", e.Key, e.Where, e.Reason)
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause, which may be nil.
func (e *LostError) Unwrap() error { return e.Cause }
