package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// link is the way to one server: at most one connection, dialled when first needed, and anew when the last one was found dead.
type link struct {
	dialer *Dialer
	to     endpoint
	via    *link // the jump host before, or nil

	mu      sync.Mutex
	conn    *connection
	dialing *dialing
}

// dialing is a connection in the making, and those who wait for it. It stops when nobody does any more.
type dialing struct {
	cancel  context.CancelFunc
	waiters int
	done    chan struct{}
	conn    *connection
	err     error
}

// get returns the live connection, or makes one. Where the time of ctx is up before, the node is unreachable; where it is cancelled, nothing
// is said of the node.
func (l *link) get(ctx context.Context) (*connection, error) {
	l.mu.Lock()
	if l.conn != nil && !l.conn.ended() {
		defer l.mu.Unlock()
		return l.conn, nil
	}
	if l.dialing == nil {
		l.dial()
	}
	d := l.dialing
	d.waiters++
	l.mu.Unlock()

	select {
	case <-d.done:
		return d.conn, d.err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.waiters--; d.waiters == 0 {
		d.cancel()
		if l.dialing == d {
			l.dialing = nil
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, l.unreachable(PhaseDial, fmt.Errorf("no connection in the time that was left: %w", context.Cause(ctx)))
	}
	return nil, fmt.Errorf("connecting to %s: %w", l.to.name, context.Cause(ctx))
}

// dial starts a dialling that serves all who wait. The caller holds mu.
func (l *link) dial() {
	ctx, cancel := context.WithCancel(l.dialer.ctx)
	d := &dialing{cancel: cancel, done: make(chan struct{})}
	l.dialing = d
	started := l.dialer.start(func() {
		defer cancel()
		conn, err := l.connect(ctx)
		l.mu.Lock()
		defer l.mu.Unlock()
		if err == nil && ctx.Err() != nil { // nobody wants it any more
			conn.fail(errClosed)
			conn, err = nil, errClosed
		}
		if l.dialing == d {
			l.dialing = nil
		}
		if err == nil {
			l.conn = conn
		}
		d.conn, d.err = conn, err
		close(d.done)
	})
	if !started {
		cancel()
		d.err = errClosed
		close(d.done)
	}
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dialing != nil {
		l.dialing.cancel()
	}
	if l.conn != nil {
		l.conn.fail(errClosed)
	}
}

// connection is one live SSH connection, until done is closed.
type connection struct {
	to     endpoint
	client *ssh.Client
	done   chan struct{}

	mu    sync.Mutex
	cause error
}

// newConnection watches over client until it ends.
func (d *Dialer) newConnection(client *ssh.Client, to endpoint) *connection {
	c := &connection{to: to, client: client, done: make(chan struct{})}
	d.running.Go(func() {
		err := client.Wait()
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("the server closed the connection")
		}
		c.setCause(err)
		close(c.done)
	})
	if to.keepAlive > 0 {
		d.running.Go(c.keepAlive)
	}
	return c
}

func (c *connection) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.cause != nil
	}
}

func (c *connection) setCause(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = err
	}
}

// fail ends the connection; the first cause is the one that is told.
func (c *connection) fail(cause error) {
	c.setCause(cause)
	go c.client.Close() // it may wait for a server that reads no more
}

// lost is the error of whoever still needed the connection.
func (c *connection) lost() *UnreachableError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &UnreachableError{Node: c.to.name, Phase: PhaseLost, Err: c.cause, hint: "run the command again: what is in place is found and kept"}
}

// keepAlive asks for a sign of life at every interval, and ends the connection when keepAliveMax intervals pass without any.
func (c *connection) keepAlive() {
	ticker := time.NewTicker(c.to.keepAlive)
	defer ticker.Stop()
	patience := c.to.keepAlive * time.Duration(c.to.keepAliveMax)
	for {
		select {
		case <-c.done:
			return
		case <-ticker.C:
		}
		if !c.ping(patience) && !c.ended() {
			c.fail(fmt.Errorf("no answer to %d keepalives within %s", c.to.keepAliveMax, patience))
			return
		}
	}
}

// ping tells whether the server answers in time.
func (c *connection) ping(patience time.Duration) bool {
	answered := make(chan error, 1)
	go func() {
		_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-answered:
		return err == nil
	case <-c.done:
		return false
	case <-timer.C:
		return false
	}
}
