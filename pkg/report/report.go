// Package report shows what a rollout tells: a live block on a terminal, plain lines for CI, JSON lines for programs, and at the end one
// block that says what is true now and what to type next. It touches no node.
package report

import (
	"encoding/json"
	"io"

	"github.com/rollpin/rollpin/pkg/rollout"
)

// Reporter takes the events of one deployment, one at a time.
type Reporter interface {
	Event(rollout.Event)
	// Suspend leaves the terminal to do, which asks a person something.
	Suspend(do func())
	// Close ends what runs in the background; no event may follow.
	Close()
}

// Options say how to report.
type Options struct {
	// Err takes progress.
	Err io.Writer
	// Width returns the columns of the terminal on Err; nil where Err is none.
	Width func() int
	Color bool
	// Verbose tells every step; Quiet tells failures only.
	Verbose, Quiet bool
}

// New returns the reporter that suits Err: live on a terminal, plain lines elsewhere.
func New(o Options) Reporter {
	lines := lines{style: newStyle(o.Color), verbose: o.Verbose, quiet: o.Quiet}
	if o.Width != nil && !o.Quiet {
		return newLive(o.Err, o.Width, lines)
	}
	return newPlain(o.Err, lines)
}

// JSON writes each event as one line of JSON to w, and nothing else.
func JSON(w io.Writer) Reporter { return jsonLines{json.NewEncoder(w)} }

type jsonLines struct{ encoder *json.Encoder }

// Event writes e. A reader that went away is no reason to stop a deployment.
func (j jsonLines) Event(e rollout.Event) { _ = j.encoder.Encode(e) }

// Suspend calls do.
func (jsonLines) Suspend(do func()) { do() }

// Close does nothing.
func (jsonLines) Close() {}
