package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

// session is one run of rollpin: its streams, its signals and its common flags.
type session struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	// soft ends with the first signal or with --timeout: start nothing new. ctx ends with the second signal: stop at once.
	ctx, soft context.Context
	stop      func(error)
	ended     chan struct{}
	signals   chan os.Signal

	configFile string
	output     string
	quiet      bool
	verbose    bool
	timeout    time.Duration
	noColor    bool
}

func newSession(stdin io.Reader, stdout, stderr io.Writer) *session {
	s := &session{stdin: stdin, stdout: stdout, stderr: stderr, ended: make(chan struct{}), signals: make(chan os.Signal, 2)}
	ctx, stopAtOnce := context.WithCancelCause(context.Background())
	soft, stopSoftly := context.WithCancelCause(ctx)
	s.ctx, s.soft, s.stop = ctx, soft, stopSoftly
	// A pipe that nobody reads any more must not end a deployment half way.
	signal.Ignore(syscall.SIGPIPE)
	for _, each := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(each) { // nohup means it
			signal.Notify(s.signals, each)
		}
	}
	go func() {
		defer stopAtOnce(nil)
		for _, stop := range []func(error){stopSoftly, stopAtOnce} {
			select {
			case received := <-s.signals:
				stop(signalError{received})
			case <-s.ended:
				return
			}
		}
		<-s.ended
	}()
	return s
}

func (s *session) close() {
	signal.Stop(s.signals)
	close(s.ended)
}

// limit starts the clock of --timeout.
func (s *session) limit() {
	if s.timeout > 0 {
		timer := time.AfterFunc(s.timeout, func() { s.stop(fmt.Errorf("--timeout of %s passed", s.timeout)) })
		context.AfterFunc(s.ctx, func() { timer.Stop() })
	}
}

// width returns the columns of the terminal on stderr; nil where there is none.
func (s *session) width() func() int {
	file, ok := s.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() int {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
		return 80
	}
}

// color tells whether what goes to w is painted.
func (s *session) color(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && !s.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}

// asks tells whether a person can be asked: standard input and error are a terminal.
func (s *session) asks() bool {
	in, ok := s.stdin.(*os.File)
	return ok && term.IsTerminal(int(in.Fd())) && s.width() != nil
}

// askSecret asks for a passphrase without showing it. After an interrupt the goroutine that reads ends with the process.
func (s *session) askSecret(prompt string) (string, error) {
	terminal := int(s.stdin.(*os.File).Fd())
	before, err := term.GetState(terminal)
	if err != nil {
		return "", err
	}
	fmt.Fprint(s.stderr, prompt)
	defer fmt.Fprintln(s.stderr)
	type answer struct {
		secret []byte
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		secret, err := term.ReadPassword(terminal)
		answers <- answer{secret, err}
	}()
	select {
	case a := <-answers:
		return string(a.secret), a.err
	case <-s.soft.Done():
		_ = term.Restore(terminal, before)
		return "", context.Cause(s.soft)
	}
}

// confirm asks a yes or no question; anything but yes, and an interrupt, is no. The goroutine that reads ends with the process.
func (s *session) confirm(question string) bool {
	fmt.Fprintf(s.stderr, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() {
		var line string
		_, _ = fmt.Fscanln(s.stdin, &line)
		answer <- strings.ToLower(line)
	}()
	select {
	case line := <-answer:
		return line == "y" || line == "yes"
	case <-s.soft.Done():
		fmt.Fprintln(s.stderr)
		return false
	}
}

// secret reads a password from the environment or a file. A variable or file that is named and missing is an error; the default
// variable may be missing.
func secret(env, file, defaultEnv string) (string, error) {
	switch {
	case file != "":
		text, err := os.ReadFile(file)
		if err != nil {
			return "", usageError{fmt.Errorf("reading the password: %w", err)}
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	case env != "":
		value, ok := os.LookupEnv(env)
		if !ok {
			return "", usageError{hinted{fmt.Errorf("the environment variable %s is not set", env), "export " + env + ", or name a file instead"}}
		}
		return value, nil
	}
	return os.Getenv(defaultEnv), nil
}
