package remote

import (
	"errors"
	"fmt"
	"strings"
)

// Phases of a connection, in order, as UnreachableError tells them.
const (
	PhaseResolve   = "resolve"
	PhaseDial      = "dial"
	PhaseHandshake = "handshake"
	PhaseHostKey   = "host key"
	PhaseLogIn     = "log in"
	PhaseLost      = "connection lost"
)

// UnreachableError says that a node could not be reached, or was lost, and in which phase.
type UnreachableError struct {
	Node  string
	Phase string
	Err   error

	hint string
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Node, e.Phase, e.Err) }

func (e *UnreachableError) Unwrap() error { return e.Err }

// Hint is the next thing to try, or "".
func (e *UnreachableError) Hint() string {
	var inner interface{ Hint() string }
	if errors.As(e.Err, &inner) && inner.Hint() != "" {
		return inner.Hint()
	}
	return e.hint
}

// ConfigError is a mistake in ssh_config, or something in it that rollpin cannot honour.
type ConfigError struct {
	// Place is file:line, or empty.
	Place string
	// Problem is one sentence, Fix the way out of it, or empty.
	Problem, Fix string
}

func (e *ConfigError) Error() string {
	if e.Place == "" {
		return e.Problem
	}
	return e.Place + ": " + e.Problem
}

// Hint is the way out.
func (e *ConfigError) Hint() string { return e.Fix }

// KeyFileError says why a private key cannot be used.
type KeyFileError struct {
	Path string
	Err  error
	Fix  string
}

func (e *KeyFileError) Error() string { return fmt.Sprintf("key %s: %v", e.Path, e.Err) }

func (e *KeyFileError) Unwrap() error { return e.Err }

// Hint is how to make the key usable.
func (e *KeyFileError) Hint() string { return e.Fix }

// LoginError says that the server took none of our keys.
type LoginError struct {
	User string
	// Tried are the keys that were offered, Skipped those that were not, each with the reason.
	Tried, Skipped []string
	// Err is the protocol's own error.
	Err error

	// unasked is set where the server wanted no keys at all.
	unasked bool
	hint    string
}

func (e *LoginError) Error() string {
	if e.unasked {
		return fmt.Sprintf("the server takes no public keys from %s: %v", e.User, e.Err)
	}
	text := fmt.Sprintf("%s may not log in with the keys at hand", e.User)
	if strings.Contains(e.Err.Error(), "Too many authentication failures") {
		text = fmt.Sprintf("the server gave up on %s after too many keys", e.User)
	}
	if len(e.Tried) == 0 {
		text += "; there was no key to offer"
	} else {
		text += "; offered: " + strings.Join(e.Tried, ", ")
	}
	if len(e.Skipped) > 0 {
		text += "; not used: " + strings.Join(e.Skipped, ", ")
	}
	return text
}

func (e *LoginError) Unwrap() error { return e.Err }

// Hint is what to change.
func (e *LoginError) Hint() string { return e.hint }

// HostKeyError says that a server did not prove to be who it should be.
type HostKeyError struct {
	// Host is the name under which known_hosts was searched.
	Host string
	// Problem is what is wrong, such as "unknown" or "changed".
	Problem string
	// Type and Fingerprint (SHA256:…) describe the key that the server showed.
	Type, Fingerprint string
	// Known are the entries that it should have matched, as file:line.
	Known []string

	hint string
}

func (e *HostKeyError) Error() string {
	text := fmt.Sprintf("the host key of %s %s: it shows %s %s", e.Host, e.Problem, e.Type, e.Fingerprint)
	if len(e.Known) > 0 {
		text += "; see " + strings.Join(e.Known, ", ")
	}
	return text
}

// Hint is the command that mends known_hosts, once the fingerprint has been compared.
func (e *HostKeyError) Hint() string { return e.hint }

// ForwardError says that the node lets nobody connect through it.
type ForwardError struct {
	Node, Address string
	Err           error
}

func (e *ForwardError) Error() string {
	return fmt.Sprintf("%s: connecting to %s through SSH is forbidden there: %v", e.Node, e.Address, e.Err)
}

func (e *ForwardError) Unwrap() error { return e.Err }

// Hint is how to do without, or to allow it.
func (e *ForwardError) Hint() string {
	return "set AllowTcpForwarding to local in the node's sshd_config, or use a health check of kind command, such as: curl -fsS http://…"
}

// BecomeError says why sudo did not start the script. The script did not run.
type BecomeError struct {
	Node string
	// User is who should have been become.
	User string
	// Reason is one sentence, Fix the way out of it.
	Reason, Fix string
}

func (e *BecomeError) Error() string {
	return fmt.Sprintf("%s: cannot become %s: %s", e.Node, e.User, e.Reason)
}

// Hint is the way out.
func (e *BecomeError) Hint() string { return e.Fix }

// OutputError says that a script printed more than is kept; it was stopped.
type OutputError struct {
	Node, Script string
	// Limit is in bytes.
	Limit int
}

func (e *OutputError) Error() string {
	return fmt.Sprintf("%s: script %s printed more than %d MiB and was stopped", e.Node, e.Script, e.Limit>>20)
}
