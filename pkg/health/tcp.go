package health

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
)

// tcpProbe passes if somebody listens.
type tcpProbe struct {
	node    Node
	address string
}

func newTCPProbe(n Node, address string) (probe, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("want HOST:PORT: %w", err)
	}
	if number, err := strconv.Atoi(port); host == "" || err != nil || number < 1 || number > 65535 {
		return nil, fmt.Errorf("want HOST:PORT with a port from 1 to 65535")
	}
	return tcpProbe{n, address}, nil
}

func (p tcpProbe) ask(ctx context.Context) (verdict, error) {
	conn, v, fault := dial(ctx, p.node, p.address)
	if conn == nil {
		return v, fault
	}
	_ = conn.Close()
	return passed("accepts connections"), nil
}

// dial connects through the node. Without a connection it tells the service's refusal from a fault of the node.
func dial(ctx context.Context, n Node, address string) (net.Conn, verdict, error) {
	conn, err := n.DialContext(ctx, "tcp", address)
	switch {
	case err == nil:
		return conn, verdict{}, nil
	case hinted(err):
		return nil, verdict{}, err
	}
	return nil, failed("no connection: %v", err), nil
}

// forbiddenPatience is for one connection: what a check may not reach is told at once.
const forbiddenPatience = 3 * time.Second

// Forbidden returns why checks could not even be asked, whatever the service does: an sshd that lets nobody connect through it. It is nil
// where they can, or where that cannot be told now.
func Forbidden(ctx context.Context, n Node, checks []config.Check) error {
	probes, err := newProbes(n, checks, Want{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, forbiddenPatience)
	defer cancel()
	for _, p := range probes {
		address := ""
		switch p := p.(type) {
		case *httpProbe:
			address = p.address()
		case tcpProbe:
			address = p.address
		default:
			continue
		}
		conn, _, fault := dial(ctx, n, address)
		if conn != nil {
			_ = conn.Close()
		}
		if fault != nil && ctx.Err() == nil {
			return fault
		}
	}
	return nil
}
