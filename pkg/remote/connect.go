package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// errBusy marks an attempt that the server ended before its banner, as sshd does beyond MaxStartups.
var errBusy = errors.New("the server closed the connection before its banner")

// connect reaches the jump host before, then the server itself.
func (l *link) connect(ctx context.Context) (*connection, error) {
	var through *connection
	if l.via != nil {
		var err error
		if through, err = l.via.get(ctx); err != nil {
			return nil, l.behindJump(err)
		}
	}
	var conn *connection
	err := retryBusy(ctx, l.to.connectTimeout, func() error {
		var err error
		conn, err = l.attempt(ctx, through)
		return err
	})
	return conn, err
}

// behindJump makes the failure of a jump host that of the node behind it.
func (l *link) behindJump(err error) error {
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) {
		return err
	}
	return &UnreachableError{Node: l.to.name, Phase: unreachable.Phase, Err: fmt.Errorf("jump host %w", err), hint: unreachable.Hint()}
}

// retryBusy tries again, at growing and jittered intervals, for as long as the server is only busy and budget is not spent.
// Nothing else is tried again: a server that refuses for another reason does so for a reason.
func retryBusy(ctx context.Context, budget time.Duration, attempt func() error) error {
	end := time.Now().Add(budget)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := attempt()
		wait := pause/2 + rand.N(pause)
		if !errors.Is(err, errBusy) || time.Now().Add(wait).After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// attempt dials, shakes hands and logs in, all within connectTimeout.
func (l *link) attempt(ctx context.Context, through *connection) (*connection, error) {
	clock := startClock(ctx, l.to.connectTimeout)
	defer clock.stop()
	raw, err := l.open(clock.ctx, through)
	if err != nil {
		return nil, l.dialError(ctx, clock, through, err)
	}
	wire := &wire{Conn: raw}
	login := &login{dialer: l.dialer, to: l.to, behind: l.via, clock: clock}
	type result struct {
		client *ssh.Client
		err    error
	}
	finished := make(chan result, 1)
	go func() {
		conn, channels, requests, err := ssh.NewClientConn(wire, l.to.address(), login.config())
		if err != nil {
			finished <- result{err: err}
			return
		}
		finished <- result{client: ssh.NewClient(conn, channels, requests)}
	}()
	select {
	case r := <-finished:
		if r.err != nil {
			return nil, l.loginError(login, wire, r.err)
		}
		return l.dialer.newConnection(r.client, l.to), nil
	case <-clock.ctx.Done():
		go raw.Close() // through a jump host it may wait for a server that reads no more
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, l.unreachable(login.phase(), fmt.Errorf("no answer within %s", l.to.connectTimeout))
	}
}

// open makes the bare connection, directly or through the jump host.
func (l *link) open(ctx context.Context, through *connection) (net.Conn, error) {
	if through == nil {
		return new(net.Dialer).DialContext(ctx, l.to.network, l.to.address())
	}
	return through.client.DialContext(ctx, "tcp", l.to.address())
}

func (l *link) dialError(ctx context.Context, clock *clock, through *connection, err error) error {
	var dns *net.DNSError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case through != nil && through.ended():
		return l.behindJump(through.lost())
	case clock.ctx.Err() != nil:
		return l.unreachable(PhaseDial, fmt.Errorf("no answer from %s within %s", l.to.address(), l.to.connectTimeout))
	case through != nil:
		return l.unreachable(PhaseDial, fmt.Errorf("jump host %s cannot reach %s: %w", through.to.name, l.to.address(), err))
	case errors.As(err, &dns):
		return l.unreachable(PhaseResolve, err)
	}
	return l.unreachable(PhaseDial, err)
}

// loginError explains a handshake or a log-in that failed.
func (l *link) loginError(login *login, wire *wire, err error) error {
	switch {
	case login.hostKeyError() != nil:
		return l.unreachable(PhaseHostKey, login.hostKeyError())
	case login.phase() == PhaseLogIn:
		return l.unreachable(PhaseLogIn, login.explain(err))
	}
	said := wire.beforeBanner()
	hungUp := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch {
	case said == nil || !hungUp:
		return l.unreachable(PhaseHandshake, err)
	case len(said) == 0:
		return l.unreachable(PhaseHandshake, errBusy)
	case bytes.Contains(said, []byte("MaxStartups")):
		return l.unreachable(PhaseHandshake, fmt.Errorf("%w, saying %q", errBusy, said))
	}
	return l.unreachable(PhaseHandshake, fmt.Errorf("this is no SSH server, or it turned us away: it said %q", said))
}

func (l *link) unreachable(phase string, err error) *UnreachableError {
	try := l.to.tryCommand(l.via)
	hint := map[string]string{
		PhaseResolve:   "check the node's address in the inventory, or give it a HostName in ssh_config",
		PhaseDial:      "check that sshd listens on " + l.to.address() + " and that no firewall is between; try: " + try,
		PhaseHandshake: "check that " + l.to.address() + " is an SSH server that is not overloaded (MaxStartups in its sshd_config); try: " + try,
		PhaseLogIn:     "try: " + try,
	}[phase]
	return &UnreachableError{Node: l.to.name, Phase: phase, Err: err, hint: hint}
}

// tryCommand is what a person would type to see the same failure.
func (e endpoint) tryCommand(via *link) string {
	jump := ""
	if via != nil {
		jump = fmt.Sprintf(" -J %s@%s", via.to.user, via.to.address())
	}
	return fmt.Sprintf("ssh -v%s -p %d %s@%s true", jump, e.port, e.user, e.host)
}

// clock ends a context when a time without a pause has passed.
type clock struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	limit  time.Duration
	timer  *time.Timer
}

func startClock(ctx context.Context, limit time.Duration) *clock {
	ctx, cancel := context.WithCancelCause(ctx)
	return &clock{ctx: ctx, cancel: cancel, limit: limit, timer: time.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) })}
}

func (c *clock) stop() {
	c.timer.Stop()
	c.cancel(nil)
}

// pause stops the clock while a person types; the function it returns starts it anew.
func (c *clock) pause() (resume func()) {
	c.timer.Stop()
	return func() { c.timer.Reset(c.limit) }
}

// wire remembers how a connection began.
type wire struct {
	net.Conn
	mu    sync.Mutex
	start []byte
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.start = append(w.start, p[:min(n, 256-len(w.start))]...)
	return n, err
}

// beforeBanner is what a server said instead of its banner (RFC 4253 section 4.2), such as "Exceeded MaxStartups"; nil once the banner came.
func (w *wire) beforeBanner() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes.Contains(w.start, []byte("SSH-")) {
		return nil
	}
	return append([]byte{}, bytes.TrimSpace(w.start)...)
}
