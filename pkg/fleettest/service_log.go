//go:build unix

package fleettest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// say logs a line of the manager itself.
func (s *service) say(format string, args ...any) { s.sayOf("", format, args...) }

// sayOf logs a line of the manager about the end of an invocation.
func (s *service) sayOf(ended, format string, args ...any) {
	if s.Manager == Systemd {
		s.node.journal.add(line{unit: s.Name, ended: ended, stream: "manager", identifier: "systemd", pid: 1, text: fmt.Sprintf(format, args...)})
	}
}

func (s *service) explain(e exit) {
	switch {
	case e.err != nil:
		s.say("%s: Failed at step EXEC spawning %s: %s", s.Name, s.Exec[0], e.reason())
		s.sayOf(s.invocation, "%s: Main process exited, code=exited, status=203/EXEC", s.Name)
	case e.signal != 0:
		s.sayOf(s.invocation, "%s: Main process exited, code=killed, status=%d/%s", s.Name, e.status, strings.TrimPrefix(unix.SignalName(e.signal), "SIG"))
	case e.status != 0:
		s.sayOf(s.invocation, "%s: Main process exited, code=exited, status=%d/%s", s.Name, e.status, exitName(e.status))
	}
	if !e.clean() {
		s.say("%s: Failed with result '%s'.", s.Name, s.result)
	}
}

func exitName(status int) string {
	if status == 1 {
		return "FAILURE"
	}
	return "n/a"
}

// output takes one stream of the process that is about to start.
func (s *service) output(stream string, pid *atomic.Int64) *lineWriter {
	invocation, identifier, file := s.invocation, filepath.Base(s.Exec[0]), s.node.logFile(s.Unit, stream)
	return &lineWriter{line: func(text string) {
		s.node.journal.add(line{unit: s.Name, invocation: invocation, stream: stream, identifier: identifier, pid: int(pid.Load()), text: text})
		appendLine(file, text)
	}}
}

func newInvocation() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}
