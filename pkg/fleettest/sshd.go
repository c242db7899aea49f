// Package fleettest is a fleet on one machine, for tests and for the demo: SSH nodes in this process, package indexes, an inventory.
package fleettest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSHConfig says what an SSH server of this process accepts and how it runs commands.
type SSHConfig struct {
	// HostKey proves the server; a new Ed25519 key by default.
	HostKey ssh.Signer
	// Authorized keys may log in as any user, and so may certificates that UserCA signed for the user's name.
	Authorized []ssh.PublicKey
	UserCA     ssh.PublicKey
	// Environ is the whole environment of commands; by default HOME is Dir and PATH is this process's.
	Environ []string
	// Dir is where commands start; the temporary directory by default.
	Dir string
	// Dial serves direct-tcpip; net.Dialer by default. An error that is os.ErrPermission refuses as "administratively prohibited".
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Listen is the address to listen on; 127.0.0.1:0 by default.
	Listen string
	// NoSFTP refuses the subsystem sftp, as a server without it does.
	NoSFTP bool
}

// SSHServer is a running SSH server. Its methods may be called from several goroutines.
type SSHServer struct {
	config   SSHConfig
	protocol *ssh.ServerConfig
	listener net.Listener
	gate     gate
	serving  sync.WaitGroup

	mu                       sync.Mutex
	conns                    map[net.Conn]bool
	closed                   bool
	logins, commands, refuse int
	// sent is how many bytes came over SFTP; cutAfter is the number at which the connections are cut, 0 for never.
	sent, cutAfter int64
}

// ListenSSH starts a server; Close ends it.
func ListenSSH(config SSHConfig) (*SSHServer, error) {
	if config.HostKey == nil {
		signer, err := newHostKey()
		if err != nil {
			return nil, err
		}
		config.HostKey = signer
	}
	if config.Dir == "" {
		config.Dir = os.TempDir()
	}
	if config.Environ == nil {
		config.Environ = []string{"HOME=" + config.Dir, "PATH=" + os.Getenv("PATH")}
	}
	if config.Dial == nil {
		config.Dial = new(net.Dialer).DialContext
	}
	if config.Listen == "" {
		config.Listen = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return nil, fmt.Errorf("starting an SSH server: %w", err)
	}
	s := &SSHServer{config: config, listener: listener, conns: map[net.Conn]bool{}}
	s.protocol = &ssh.ServerConfig{PublicKeyCallback: s.authorize}
	s.protocol.AddHostKey(config.HostKey)
	s.serving.Go(s.accept)
	return s, nil
}

func newHostKey() (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a host key: %w", err)
	}
	return ssh.NewSignerFromSigner(key)
}

// Addr is the host:port that the server listens on.
func (s *SSHServer) Addr() string { return s.listener.Addr().String() }

// HostKey is the public half of the server's key, or its host certificate.
func (s *SSHServer) HostKey() ssh.PublicKey { return s.config.HostKey.PublicKey() }

// Logins counts the log-ins that succeeded so far.
func (s *SSHServer) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// Commands counts the commands that were started so far.
func (s *SSHServer) Commands() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commands
}

// Freeze makes the server fall silent: TCP still connects, but no banner comes, and open connections stall.
func (s *SSHServer) Freeze() { s.gate.shut() }

// Thaw ends Freeze; what stalled goes on.
func (s *SSHServer) Thaw() { s.gate.open() }

// Cut drops all connections; new ones are welcome.
func (s *SSHServer) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// Sent is how many bytes of SFTP the server received so far.
func (s *SSHServer) Sent() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

// CutAfter cuts all connections, once, when the server has received n more bytes of SFTP.
func (s *SSHServer) CutAfter(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cutAfter = s.sent + n
}

func (s *SSHServer) received(n int) {
	s.mu.Lock()
	s.sent += int64(n)
	cut := s.cutAfter > 0 && s.sent >= s.cutAfter
	if cut {
		s.cutAfter = 0
	}
	s.mu.Unlock()
	if cut {
		s.Cut()
	}
}

// Refuse makes the server close the next n connections before its banner, as a busy sshd does.
func (s *SSHServer) Refuse(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = n
}

// Close ends the server and its connections, kills their commands, and waits for all of it.
func (s *SSHServer) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.listener.Close()
	s.Cut()
	s.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *SSHServer) accept() {
	for {
		raw, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files: the next may work
			time.Sleep(time.Millisecond)
			continue
		}
		conn := &gatedConn{Conn: raw, gate: &s.gate, done: make(chan struct{})}
		if !s.admit(conn) {
			_ = conn.Close()
			continue
		}
		s.serving.Go(func() {
			defer s.forget(conn)
			s.serve(conn)
		})
	}
}

func (s *SSHServer) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse > 0 {
		s.refuse--
		return false
	}
	if s.closed {
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *SSHServer) forget(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

func (s *SSHServer) serve(conn net.Conn) {
	_, channels, requests, err := ssh.NewServerConn(conn, s.protocol)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.logins++
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var open sync.WaitGroup
	open.Go(func() { ssh.DiscardRequests(requests) }) // a keepalive is answered with "no such request", as sshd does
	for incoming := range channels {
		switch incoming.ChannelType() {
		case "session":
			if channel, requests, err := incoming.Accept(); err == nil {
				open.Go(func() { s.session(channel, requests) })
			}
		case "direct-tcpip":
			open.Go(func() { s.forward(ctx, incoming) })
		default:
			_ = incoming.Reject(ssh.UnknownChannelType, "unknown channel type")
		}
	}
	cancel()
	open.Wait()
}

func (s *SSHServer) authorize(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	checker := ssh.CertChecker{
		IsUserAuthority: func(authority ssh.PublicKey) bool {
			return s.config.UserCA != nil && sameKey(authority, s.config.UserCA)
		},
		UserKeyFallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if slices.ContainsFunc(s.config.Authorized, func(known ssh.PublicKey) bool { return sameKey(known, key) }) {
				return nil, nil
			}
			return nil, errors.New("key not authorized")
		},
	}
	return checker.Authenticate(meta, key)
}

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// forward serves one direct-tcpip channel, RFC 4254 section 7.2.
func (s *SSHServer) forward(ctx context.Context, incoming ssh.NewChannel) {
	var request struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(incoming.ExtraData(), &request); err != nil {
		_ = incoming.Reject(ssh.ConnectionFailed, "malformed request")
		return
	}
	target, err := s.config.Dial(ctx, "tcp", net.JoinHostPort(request.Host, strconv.Itoa(int(request.Port))))
	if errors.Is(err, os.ErrPermission) {
		_ = incoming.Reject(ssh.Prohibited, "open failed")
		return
	}
	if err != nil {
		_ = incoming.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	channel, requests, err := incoming.Accept()
	if err != nil {
		_ = target.Close()
		return
	}
	var copying sync.WaitGroup
	copying.Go(func() {
		ssh.DiscardRequests(requests)
		_ = target.Close() // the client closed the channel, or is gone
	})
	copying.Go(func() {
		_, _ = io.Copy(target, channel)
		if half, ok := target.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	})
	_, _ = io.Copy(channel, target)
	_ = channel.Close()
	copying.Wait()
}
