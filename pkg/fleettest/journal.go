package fleettest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Bounds of what a node remembers of its services.
const (
	maxLines   = 5000
	maxLineLen = 4096
)

// line is one line that a service or its manager wrote.
type line struct {
	at         time.Time
	unit       string
	invocation string // of the service that wrote it; empty for its manager's own lines
	ended      string // for its manager's line about the end of the main process, the invocation
	stream     string // stdout, stderr, or manager
	identifier string
	pid        int
	text       string
}

// journal holds the last lines of all services of a node.
type journal struct {
	host string

	mu    sync.Mutex
	lines []line
}

func (j *journal) add(l line) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l.at = time.Now()
	j.lines = append(j.lines, l)
	if extra := len(j.lines) - maxLines; extra > 0 {
		j.lines = slices.Delete(j.lines, 0, extra)
	}
}

// last returns the last n lines that match; all for a negative n.
func (j *journal) last(n int, match func(line) bool) []line {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []line
	for _, l := range j.lines {
		if match(l) {
			found = append(found, l)
		}
	}
	if n >= 0 && len(found) > n {
		found = found[len(found)-n:]
	}
	return found
}

// short is the line as journalctl -o short has it.
func (l line) short(host string) string {
	return fmt.Sprintf("%s %s %s[%d]: %s", l.at.Format("Jan 02 15:04:05"), host, l.identifier, l.pid, l.text)
}

// lineWriter cuts the output of a service into lines.
type lineWriter struct {
	rest []byte
	line func(text string)
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 && len(w.rest) < maxLineLen {
			return len(p), nil
		}
		if end < 0 || end > maxLineLen {
			w.line(string(w.rest[:maxLineLen]))
			w.rest = w.rest[maxLineLen:]
			continue
		}
		w.line(string(w.rest[:end]))
		w.rest = w.rest[end+1:]
	}
}

// flush passes on a last line without an end.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.line(string(w.rest))
		w.rest = nil
	}
}
