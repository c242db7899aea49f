package health

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/shell"
)

// fakeNode answers dials and runs as the test says, and counts them.
type fakeNode struct {
	dial func(ctx context.Context, address string) (net.Conn, error)
	run  func(ctx context.Context, s shell.Script) (shell.Result, error)

	mu    sync.Mutex
	dials []string
	runs  int
}

func (n *fakeNode) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dials = append(n.dials, network+" "+address)
	n.mu.Unlock()
	return n.dial(ctx, address)
}

func (n *fakeNode) Run(ctx context.Context, s shell.Script) (shell.Result, error) {
	n.mu.Lock()
	n.runs++
	n.mu.Unlock()
	return n.run(ctx, s)
}

// pipes is a listener without a network: what dial gives is one end of a pipe, what Accept gives the other.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.done:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// serve is a node with an HTTP service.
func serve(t *testing.T, handler http.HandlerFunc) *fakeNode {
	t.Helper()
	listener := newPipes()
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return &fakeNode{dial: listener.dial}
}

var errRefused = errors.New("n1: connecting to 127.0.0.1:8080: Connection refused")

// fixable is an error about the node, as package remote makes them.
type fixable struct{ text string }

func (e *fixable) Error() string { return e.text }
func (e *fixable) Hint() string  { return "do something" }

func httpCheck(expect config.Expect) config.Check {
	return config.Check{Kind: "http", Target: "http://127.0.0.1:8080/healthz", Expect: expect}
}
