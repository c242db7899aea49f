package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/rollpin/rollpin/pkg/shell"
)

// Node is one node and the single connection to it, which is made when first needed. Its methods may be called from several goroutines.
type Node struct {
	name   string
	dialer *Dialer
	link   *link
	err    error // what is wrong with its ssh_config
	// needsTTY is set once sudo asked for a terminal.
	needsTTY atomic.Bool
}

// Connect makes the connection if there is none. A node that cannot be reached is an *UnreachableError.
func (n *Node) Connect(ctx context.Context) error {
	_, err := n.connection(ctx)
	return err
}

func (n *Node) connection(ctx context.Context) (*connection, error) {
	if n.err != nil {
		return nil, n.err
	}
	return n.link.get(ctx)
}

// Run runs a script on the node. The error is a *shell.ExitError where it ran and ended with another status than 0, an *UnreachableError
// where the node was not reached or lost, a *BecomeError where sudo did not let it start, an *OutputError where it printed more than
// 16 MiB, and ctx's own where that ended: then the script has been killed. What it had printed by then is in the result, with an error too.
// A script is never run a second time.
func (n *Node) Run(ctx context.Context, s shell.Script) (shell.Result, error) {
	text, err := s.Text()
	if err != nil {
		return shell.Result{}, err
	}
	conn, err := n.connection(ctx)
	if err != nil {
		return shell.Result{}, err
	}
	terminal := n.needsTTY.Load()
	result, err := n.execute(ctx, conn, s, text, terminal)
	if errors.Is(err, errNeedsTTY) && !terminal { // sudo refused before the script was sent
		n.needsTTY.Store(true)
		result, err = n.execute(ctx, conn, s, text, true)
	}
	return result, err
}

// DialContext connects to address as the node itself would: 127.0.0.1 is the node. The network is tcp. Deadlines work on the connection.
// The error is a *ForwardError where the node's sshd forbids this, and an *UnreachableError where the node itself is out of reach.
func (n *Node) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := n.connection(ctx)
	if err != nil {
		return nil, err
	}
	forwarded, err := conn.client.DialContext(ctx, network, address)
	var refused *ssh.OpenChannelError
	switch {
	case err == nil:
		return withDeadlines(forwarded), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: connecting to %s: %w", n.name, address, context.Cause(ctx))
	case errors.As(err, &refused) && refused.Reason == ssh.Prohibited:
		return nil, &ForwardError{Node: n.name, Address: address, Err: errors.New(refused.Message)}
	case errors.As(err, &refused):
		return nil, fmt.Errorf("%s: connecting to %s: %s", n.name, address, refused.Message)
	case conn.endsSoon():
		return nil, conn.lost()
	}
	return nil, fmt.Errorf("%s: connecting to %s: %w", n.name, address, err)
}

// Close ends the connection to the node; a later call would make a new one. Jump hosts stay connected until the Dialer closes.
func (n *Node) Close() error {
	n.link.close()
	return nil
}

// withDeadlines gives an SSH channel, which knows none, the deadlines of a pipe.
func withDeadlines(channel net.Conn) net.Conn {
	near, far := net.Pipe()
	go func() {
		_, _ = io.Copy(channel, far)
		_ = channel.Close()
	}()
	go func() {
		_, _ = io.Copy(far, channel)
		_ = far.Close()
	}()
	return near
}
