package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode"
)

const (
	// execTimeout bounds one run of the program: a cloud's API, paged, with room to spare.
	execTimeout = time.Minute
	// execGrace is how long a killed program's pipes may stay open in a process that left its group.
	execGrace = 500 * time.Millisecond
	// stderrTail is how much of the program's standard error is kept, in bytes.
	stderrTail = 4 << 10
)

// FromExec is the source of the nodes that a program prints, in the inventory file's shape. argv is run without a shell, with
// ROLLPIN_ENVIRONMENT and ROLLPIN_ROLE (empty for every role) in its environment, so that it may ask its own source for less; what it
// prints is selected from again. A run that fails is an *ExecError, output that is no inventory an *InvalidError.
func FromExec(argv []string) Source { return program{argv, execTimeout} }

type program struct {
	argv    []string
	timeout time.Duration
}

func (p program) String() string { return strings.Join(p.argv[:min(1, len(p.argv))], "") }

func (p program) Nodes(ctx context.Context, q Query) ([]Node, error) {
	output, err := p.run(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(output)) == 0 {
		return nil, &ExecError{Program: p.String(), Err: errors.New("printed nothing")}
	}
	nodes, err := decode("output of "+p.String(), output)
	if err != nil {
		return nil, err
	}
	return Select(p.String(), nodes, q)
}

func (p program) run(ctx context.Context, q Query) ([]byte, error) {
	if len(p.argv) == 0 {
		return nil, &ExecError{Err: errors.New("no program is named")}
	}
	ctx, stop := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("ran longer than %s", p.timeout))
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	stdout, stderr := &output{full: func() { cancel(errTooLong) }}, &tail{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = append(os.Environ(), "ROLLPIN_ENVIRONMENT="+q.Environment, "ROLLPIN_ROLE="+q.Role)
	cmd.WaitDelay = execGrace
	ownGroup(cmd)
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, &ExecError{Program: p.String(), Stderr: stderr.String(), Err: err}
	}
	return stdout.buf.Bytes(), nil
}

// ExecError says that an inventory program could not be run, or ran and failed.
type ExecError struct {
	Program string
	// Stderr is the end of what it printed on standard error, without control characters.
	Stderr string
	Err    error
}

// Error names the program, why it failed, and its last words.
func (e *ExecError) Error() string {
	text := fmt.Sprintf("inventory program %s: %v", e.Program, e.Err)
	if e.Stderr != "" {
		text += "\n" + e.Stderr
	}
	return text
}

// Unwrap returns why it failed.
func (e *ExecError) Unwrap() error { return e.Err }

// Hint tells the fix of what keeps a program from starting.
func (e *ExecError) Hint() string {
	switch {
	case errors.Is(e.Err, fs.ErrPermission):
		return "chmod +x " + argument(e.Program)
	case errors.Is(e.Err, fs.ErrNotExist), errors.Is(e.Err, exec.ErrNotFound):
		return "discovery.exec names a program in PATH, or a path such as ./nodes.py; a script needs the interpreter of its first line, too"
	case strings.Contains(e.Err.Error(), "exec format error"):
		return "a script needs a first line such as #!/usr/bin/env python3"
	}
	return ""
}

var errTooLong = fmt.Errorf("printed more than %d MiB", maxInput>>20)

// output keeps at most maxInput bytes, and calls full when there is more.
type output struct {
	buf  bytes.Buffer
	full func()
}

func (o *output) Write(p []byte) (int, error) {
	if o.buf.Len()+len(p) > maxInput {
		o.full()
		return 0, errTooLong
	}
	return o.buf.Write(p)
}

// tail keeps the last stderrTail bytes.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	t.kept = t.kept[max(0, len(t.kept)-stderrTail):]
	return len(p), nil
}

func (t *tail) String() string {
	return strings.TrimSpace(clean(string(t.kept), true))
}

// clean takes from text what could steer a terminal; lines says whether line ends may stay.
func clean(text string, lines bool) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' && lines, unicode.IsPrint(r):
			return r
		case r == '\t', r == '\n':
			return ' '
		}
		return -1
	}, text)
}
