package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rollpin/rollpin/pkg/rollout"
)

// LineError is a line of a journal that does not fit.
type LineError struct {
	File string
	// Line counts from 1.
	Line int
	Text string
	// Newer tells that a newer rollpin wrote it.
	Newer bool
}

// Error names file and line.
func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// Hint says what can be done.
func (e *LineError) Hint() string {
	if e.Newer {
		return "read it with the rollpin that wrote it, or a newer one"
	}
	return "the file was changed or damaged: move it away to go on without it"
}

// Read returns the events of the journal in r, without a torn last line; name is for errors. An error is a *LineError, or r's own.
func Read(r io.Reader, name string) ([]rollout.Event, error) {
	var events []rollout.Event
	_, err := scan(r, name, func(e rollout.Event) { events = append(events, e) })
	return events, err
}

// Load folds the journal in a file. A file without a whole line gives a Deployment without an id: nothing was begun.
func Load(name string) (Deployment, error) {
	opened, err := os.Open(name)
	if err != nil {
		return Deployment{}, fmt.Errorf("reading a journal: %w", err)
	}
	defer opened.Close()
	d := Deployment{File: name}
	_, err = scan(opened, name, d.Apply)
	return d, err
}

// scanned is what a journal holds in whole lines, and their size in bytes.
type scanned struct {
	lines int
	size  int64
}

// scan calls each for every event, in order, up to the end, a torn last line, or the first line that does not fit.
func scan(r io.Reader, name string, each func(rollout.Event)) (scanned, error) {
	var found scanned
	var first rollout.Event
	for in := bufio.NewReaderSize(r, 64<<10); ; {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return found, nil // what follows the last newline was not written to its end
		}
		if err != nil {
			return found, fmt.Errorf("reading the journal %s: %w", name, err)
		}
		l, problem := parse(text, found.lines+1)
		if problem != nil && !json.Valid(text) {
			if _, err := in.Peek(1); errors.Is(err, io.EOF) {
				return found, nil
			}
		}
		if problem == nil && found.lines > 0 && l.Deployment != first.Deployment {
			problem = &LineError{Text: fmt.Sprintf("it is of deployment %q, the lines before of %q", l.Deployment, first.Deployment)}
		}
		if problem != nil {
			problem.File, problem.Line = name, found.lines+1
			return found, problem
		}
		if found.lines == 0 {
			first = l.Event
		}
		found.lines++
		found.size += int64(len(text))
		each(l.Event)
	}
}

// parse reads one line, which must be the one numbered seq.
func parse(text []byte, seq int) (line, *LineError) {
	var l line
	err := json.Unmarshal(text, &l)
	switch {
	case l.Schema > schema:
		return line{}, &LineError{Text: fmt.Sprintf("its schema is %d, this rollpin knows %d", l.Schema, schema), Newer: true}
	case err != nil:
		return line{}, &LineError{Text: "it is no line of a journal: " + err.Error()}
	case l.Schema != schema:
		return line{}, &LineError{Text: fmt.Sprintf("its schema is %d, not %d", l.Schema, schema)}
	case l.Seq != seq:
		return line{}, &LineError{Text: fmt.Sprintf("its seq is %d, expected %d: lines are missing or there twice", l.Seq, seq)}
	case l.Kind == "" || l.Deployment == "":
		return line{}, &LineError{Text: "it is no event: event or deployment is missing"}
	}
	return l, nil
}
