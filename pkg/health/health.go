// Package health asks a node, through its SSH connection, whether the service on it is well: what 127.0.0.1 answers is what the node itself sees.
//
// Wait is the judge after an activation: all checks must pass in several rounds in a row before a deadline. Once is one round, to be shown.
package health

import (
	"context"
	"net"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/shell"
)

// Node is what checks need of a node.
//
// An error with a method Hint() string is taken to be about the node and not about the service: it is unreachable, or it forbids forwarding. So
// is every error of Run that is no *shell.ExitError and no end of the context. Any other error of DialContext is the service's own refusal.
type Node interface {
	Run(ctx context.Context, s shell.Script) (shell.Result, error)
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Want is the release that should answer.
type Want struct {
	// Version is compared where a check says that the answer tells one; empty compares nothing.
	Version string
	// Same tells whether two versions are spellings of one; nil compares strings.
	Same func(a, b string) bool
}

func (w Want) is(version string) bool {
	return version == w.Version || w.Same != nil && w.Same(version, w.Version)
}

// Answer is what one check came to in one round.
type Answer struct {
	Check config.Check
	OK    bool
	// Text is what it answered and, if that is not OK, what was wanted: one line, without control characters.
	Text string
	// Body is the beginning of an http answer or the end of a command's output: at most 512 bytes, one line, without control characters.
	Body string
	// Err is why the node, not the service, kept the check from being asked; nil if it was asked.
	Err  error
	Took time.Duration
}

// Validate says what is wrong with checks without asking anybody: a URL without host, an unknown place of the version, an unreadable CA file.
func Validate(checks []config.Check) error {
	_, err := newProbes(nil, checks, Want{})
	return err
}

// Once asks every check one time, all together, for at most 5 s. What keeps a check from being asked is its answer.
func Once(ctx context.Context, n Node, checks []config.Check, want Want) []Answer {
	probes := make([]probe, len(checks))
	for i, check := range checks {
		p, err := newProbe(n, check, want)
		if err != nil {
			p = unaskable{err}
		}
		probes[i] = p
	}
	answers := make([]Answer, len(checks))
	for i, r := range round(ctx, probes, longestRound) {
		if r.fault != nil {
			r.verdict = failed("%v", r.fault)
		}
		answers[i] = r.answer(checks[i])
		answers[i].Err = r.fault
	}
	return answers
}

// unaskable is a check that Validate would refuse.
type unaskable struct{ err error }

func (u unaskable) ask(context.Context) (verdict, error) { return verdict{}, u.err }
