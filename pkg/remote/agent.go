package remote

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// agentConn is the connection to one agent, shared.
type agentConn struct {
	socket string
	client agent.ExtendedAgent
	close  func() error
}

// agentSigners lists the keys of the agent at socket.
func (s *keyStore) agentSigners(ctx context.Context, socket string) ([]ssh.Signer, error) {
	conn, err := s.agent(ctx, socket)
	if err != nil {
		return nil, err
	}
	signers, err := conn.client.Signers()
	if err != nil { // an agent that was restarted: the next log-in connects anew
		_ = conn.close()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.agents[socket] == conn {
			delete(s.agents, socket)
		}
		return nil, fmt.Errorf("listing the keys of the agent: %w", err)
	}
	return signers, nil
}

func (s *keyStore) agent(ctx context.Context, socket string) (*agentConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if conn, ok := s.agents[socket]; ok {
		return conn, nil
	}
	raw, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connecting to the agent: %w", err)
	}
	conn := &agentConn{socket: socket, client: agent.NewClient(raw), close: raw.Close}
	s.agents[socket] = conn
	return conn, nil
}

func (s *keyStore) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.agents {
		_ = conn.close()
	}
}
