package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/rollpin/rollpin/pkg/shell"
)

// bootstrap is what the node's shell is given; NONCE is replaced. It reads the script from standard input up to a last line that is a
// comment with the nonce, so that the script stands neither in a process list nor on disk, a script that arrived in part never runs, and
// no command can read the rest of it. Standard input then goes to a watcher: one more line means that the script is to be killed, with the
// processes of its group; signals do not reach those of another user, and older servers know none. The watcher is a grandchild, so that the
// script's own wait does not wait for it. The text stands in single quotes before shells from fish to csh: no quote, backslash, newline or "!".
const bootstrap = `unset rollpin_script; rollpin_script=$(sed "/^#NONCE/q"); case $rollpin_script in *"#NONCE") ;; *) exit 97;; esac; ` +
	`exec 3<&0 </dev/null; ( ( read -r rollpin_word <&3 && case $rollpin_word in NONCE) kill -KILL 0;; esac ) >/dev/null 2>&1 & ) ; ` +
	`exec 3<&-; eval "$rollpin_script"`

const (
	// killPatience is how long a cancelled script may take to die, at each of two steps, checkPatience how long its server may take to show
	// that it lives. Together they stay below the second within which everything can be cancelled.
	killPatience  = 250 * time.Millisecond
	checkPatience = 300 * time.Millisecond
)

// execution is one script on its way.
type execution struct {
	conn    *connection
	script  shell.Script
	text    string
	nonce   string
	session *ssh.Session
	stdin   io.WriteCloser
	stdout  *output
	stderr  *output
	full    chan struct{} // closed when it printed too much
	arrived chan struct{} // closed when all of the script is written
	ended   chan error    // the session's end
	sent    time.Time     // when the script was sent
}

// execute runs one script over one session. It never starts it twice.
func (n *Node) execute(ctx context.Context, conn *connection, s shell.Script, text string, terminal bool) (shell.Result, error) {
	e := &execution{conn: conn, script: s, text: text, nonce: rand.Text(), full: make(chan struct{}), arrived: make(chan struct{}), ended: make(chan error, 1)}
	secrets := append(s.Secrets(), n.dialer.options.BecomePassword)
	e.stdout = &output{redactor: newRedactor(secrets), maxHead: maxStdout, full: func() { close(e.full) }}
	e.stderr = &output{redactor: newRedactor(secrets), maxHead: headStderr, maxTail: tailStderr}
	command := "exec sh -c '" + strings.ReplaceAll(bootstrap, "NONCE", e.nonce) + "'"
	if terminal { // its end must not hang up what the script leaves running: without a terminal nothing would either
		command = strings.Replace(command, "unset", "trap \"\" HUP; unset", 1)
	}
	var b *becoming
	if n.dialer.become != "" {
		b = newBecoming(n, e)
		command = b.command(command)
	}
	if err := e.start(ctx, command, b, terminal); err != nil {
		return shell.Result{}, e.failure(ctx, n.name, err)
	}
	if b == nil {
		e.send()
	} else if err := b.converse(ctx); err != nil {
		e.kill()
		return shell.Result{}, err
	}
	return e.wait(ctx, n.name)
}

// start opens the session and gives the node's shell its command.
func (e *execution) start(ctx context.Context, command string, b *becoming, terminal bool) error {
	started := make(chan error, 1)
	go func() {
		err := e.open(command, b, terminal)
		started <- err
		if err == nil {
			e.ended <- e.session.Wait()
		}
	}()
	select {
	case err := <-started:
		return err
	case <-ctx.Done():
		go func() {
			if <-started == nil {
				_ = e.session.Close()
			}
		}()
		e.check()
		return context.Cause(ctx)
	}
}

// open does what start needs; a server may keep it waiting for ever. The modes of a terminal are made those of a pipe: nothing is echoed,
// edited, or turned into signals.
func (e *execution) open(command string, b *becoming, terminal bool) (err error) {
	if e.session, err = e.conn.client.NewSession(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = e.session.Close()
		}
	}()
	e.session.Stdout, e.session.Stderr = e.stdout, e.stderr
	if b != nil {
		e.session.Stdout, e.session.Stderr = b.stdout, b.stderr
	}
	if e.stdin, err = e.session.StdinPipe(); err != nil {
		return err
	}
	if terminal {
		modes := ssh.TerminalModes{ssh.ECHO: 0, ssh.ICANON: 0, ssh.ISIG: 0, ssh.IEXTEN: 0, ssh.OPOST: 0, ssh.ICRNL: 0, ssh.IXON: 0}
		if err = e.session.RequestPty("dumb", 24, 200, modes); err != nil {
			return err
		}
	}
	return e.session.Start(command)
}

// send sends the script; a server that reads no more holds up nobody but this write.
func (e *execution) send() {
	e.sent = time.Now()
	go func() {
		if _, err := io.WriteString(e.stdin, e.text+"\n#"+e.nonce+"\n"); err == nil {
			close(e.arrived)
		}
	}()
}

// wait waits for the end of the script, or makes it.
func (e *execution) wait(ctx context.Context, node string) (shell.Result, error) {
	var err error
	select {
	case err = <-e.ended:
		select {
		case <-e.full: // the end may come together with too much output
			err = &OutputError{Node: node, Script: e.script.Name, Limit: maxStdout}
		default:
		}
	case <-e.full:
		e.kill()
		err = &OutputError{Node: node, Script: e.script.Name, Limit: maxStdout}
	case <-ctx.Done():
		e.kill()
		err = context.Cause(ctx)
	}
	result := shell.Result{Stdout: e.stdout.String(), Stderr: e.stderr.String(), Took: time.Since(e.sent)}
	return result, e.outcome(ctx, node, result, err)
}

// outcome turns the session's end into the error that Run promises.
func (e *execution) outcome(ctx context.Context, node string, result shell.Result, err error) error {
	var exit *ssh.ExitError
	if !errors.As(err, &exit) {
		return e.failure(ctx, node, err)
	}
	ended := &shell.ExitError{Script: e.script.Name, Status: exit.ExitStatus(), Signal: exit.Signal(), Result: result}
	if ended.Signal != "" {
		ended.Status = -1
	}
	return ended
}

// failure explains why a session did not come to an end of its own.
func (e *execution) failure(ctx context.Context, node string, err error) error {
	var lost *UnreachableError
	var missing *ssh.ExitMissingError
	var refused *ssh.OpenChannelError
	var output *OutputError
	switch {
	case err == nil, errors.As(err, &lost), errors.As(err, &output):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%s: script %s: %w", node, e.script.Name, context.Cause(ctx))
	case errors.As(err, &refused):
		return fmt.Errorf("%s: script %s: the server opens no further session (MaxSessions in its sshd_config): %w", node, e.script.Name, err)
	case e.conn.endsSoon():
		return e.conn.lost()
	case errors.As(err, &missing):
		return &UnreachableError{Node: node, Phase: PhaseLost, Err: errors.New("the server ended the session without a status")}
	}
	return fmt.Errorf("%s: script %s: %w", node, e.script.Name, err)
}

// endsSoon tells whether a failure came from the end of the connection, which is noticed a moment later.
func (c *connection) endsSoon() bool {
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-c.done:
		return true
	case <-timer.C:
		return c.ended()
	}
}

// kill ends the script: by its watcher, then by a signal, then by closing the session. The signal must not come first: it may end sudo and
// with it the watcher, but not what sudo started. A script that has not wholly arrived has no watcher and never begins. A server that shows
// no life loses the connection.
func (e *execution) kill() {
	select {
	case <-e.arrived:
		go func() { _, _ = io.WriteString(e.stdin, e.nonce+"\n") }()
		if e.endsWithin(killPatience) {
			return
		}
	default:
	}
	go func() {
		_ = e.session.Signal(ssh.SIGKILL)
		_ = e.session.Close()
	}()
	if !e.endsWithin(killPatience) {
		e.check()
	}
}

func (e *execution) endsWithin(patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-e.ended:
		e.ended <- err
		return true
	case <-e.conn.done:
		return true
	case <-timer.C:
		return false
	}
}

// check ends a connection whose server shows no life.
func (e *execution) check() {
	if !e.conn.ping(checkPatience) {
		e.conn.fail(errors.New("the server answers no more"))
	}
}
