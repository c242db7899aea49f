package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/fleettest"
	"github.com/rollpin/rollpin/pkg/inventory"
)

func TestUnreachable(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	w := newWorld(t)
	w.options.SSH.ConnectTimeout = 200 * time.Millisecond
	silent := w.server(fleettest.SSHConfig{})
	silent.Freeze()
	http := httpListener(t)
	d := w.dialer()
	for name, c := range map[string]struct {
		node              inventory.Node
		phase, text, hint string
	}{
		"refused": {nodeOf("web-1", closed.Addr().String()), PhaseDial, "connection refused", "sshd listens on " + closed.Addr().String()},
		"silent":  {nodeOf("web-1", silent.Addr()), PhaseHandshake, "no answer within 200ms", "ssh -v -p"},
		"unknown": {inventory.Node{Name: "web-1", Address: "no-such-host.invalid"}, PhaseResolve, "no-such-host.invalid", "HostName"},
		"no SSH":  {nodeOf("web-1", http), PhaseHandshake, "HTTP/1.1 400", "is an SSH server"},
	} {
		start := time.Now()
		err := d.Node(c.node).Connect(t.Context())
		unreachable := wantPhase(t, err, c.phase)
		contains(t, err.Error(), "web-1", c.text)
		contains(t, unreachable.Hint(), c.hint)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

func httpListener(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

func TestConnectIsCancelledAtOnce(t *testing.T) {
	w := newWorld(t)
	server := w.server(fleettest.SSHConfig{})
	server.Freeze()
	node := w.dialer().Node(nodeOf("web-1", server.Addr()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- node.Connect(ctx) }()
	eventually(t, "it dials", func() bool { node.link.mu.Lock(); defer node.link.mu.Unlock(); return node.link.dialing != nil })
	cancel()
	select {
	case err := <-done:
		var unreachable *UnreachableError
		if !errors.Is(err, context.Canceled) || errors.As(err, &unreachable) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(time.Second):
		t.Error("not cancelled within a second")
	}
}

// A step's time may end before that for connecting: it is the node that was not reached, and the step did not fail there.
func TestATimeThatEndsWhileConnectingIsTheNodes(t *testing.T) {
	w := newWorld(t)
	server := w.server(fleettest.SSHConfig{})
	server.Freeze()
	_, err := w.dialer().Node(nodeOf("web-1", server.Addr())).Run(within(t, 50*time.Millisecond), script("true"))
	contains(t, wantPhase(t, err, PhaseDial).Error(), "web-1", "in the time that was left")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
}

func TestBusyServerIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	server := w.server(fleettest.SSHConfig{})
	server.Refuse(2)
	if err := w.dialer().Node(nodeOf("web-1", server.Addr())).Connect(within(t, 10*time.Second)); err != nil {
		t.Errorf("a server that was busy twice: %v", err)
	}
	w.options.SSH.ConnectTimeout = 300 * time.Millisecond
	server.Refuse(1000)
	err := w.dialer().Node(nodeOf("web-1", server.Addr())).Connect(within(t, 10*time.Second))
	contains(t, wantPhase(t, err, PhaseHandshake).Hint(), "MaxStartups")
}

func TestRetryStopsWithItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, tries := time.Now(), 0
		err := retryBusy(t.Context(), 10*time.Second, func() error { tries++; return errBusy })
		if took := time.Since(start); !errors.Is(err, errBusy) || took > 10*time.Second || took < 5*time.Second || tries < 5 || tries > 20 {
			t.Errorf("%d tries in %v, %v", tries, took, err)
		}
		tries = 0
		_ = retryBusy(t.Context(), 10*time.Second, func() error { tries++; return io.EOF })
		if tries != 1 {
			t.Errorf("another failure was tried %d times", tries)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start = time.Now()
		_ = retryBusy(ctx, 10*time.Second, func() error { return errBusy })
		if took := time.Since(start); took > time.Millisecond {
			t.Errorf("a cancelled retry went on for %v", took)
		}
	})
}

func TestManyCallersShareOneLogin(t *testing.T) {
	w := newWorld(t)
	server := w.server(fleettest.SSHConfig{})
	node := w.dialer().Node(nodeOf("web-1", server.Addr()))
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if _, err := node.Run(t.Context(), script("true")); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if server.Logins() != 1 {
		t.Errorf("%d log-ins", server.Logins())
	}
}

func TestJumpHostsAreShared(t *testing.T) {
	w := newWorld(t)
	first, second, target := w.server(fleettest.SSHConfig{}), w.server(fleettest.SSHConfig{}), w.server(fleettest.SSHConfig{})
	hostPort := func(s *fleettest.SSHServer) string { _, port, _ := net.SplitHostPort(s.Addr()); return port }
	w.write("config", "Host web-*\n ProxyJump second\nHost second\n HostName 127.0.0.1\n User deploy\n Port "+hostPort(second)+
		"\n ProxyJump deploy@127.0.0.1:"+hostPort(first)+"\n")
	d := w.dialer()
	var nodes sync.WaitGroup
	for _, name := range []string{"web-1", "web-2", "web-3"} {
		nodes.Go(func() {
			if result, err := d.Node(nodeOf(name, target.Addr())).Run(t.Context(), script("fact here yes")); err != nil || result.Facts().Get("here") != "yes" {
				t.Error(err)
			}
		})
	}
	nodes.Wait()
	if first.Logins() != 1 || second.Logins() != 1 || target.Logins() != 3 || first.Commands() != 0 {
		t.Errorf("log-ins: %d, %d, %d", first.Logins(), second.Logins(), target.Logins())
	}
	node := d.Node(nodeOf("web-4", target.Addr()))
	if err := node.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.Cut()
	eventually(t, "the node's connection ended with its jump host's", func() bool { return node.link.conn.ended() })
	if _, err := node.Run(within(t, 5*time.Second), script("true")); err != nil {
		t.Errorf("no way back after the jump host was cut: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the loss is noticed", func() bool { return node.link.conn.ended() })
	err := node.Connect(within(t, 5*time.Second))
	contains(t, wantPhase(t, err, PhaseDial).Error(), "web-4", "jump host", "connection refused")
}

func TestDialThroughTheNode(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/slow" {
			<-request.Context().Done()
			return
		}
		_, _ = io.WriteString(out, "well")
	})}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	w := newWorld(t)
	node := w.dialer().Node(nodeOf("web-1", w.server(fleettest.SSHConfig{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		switch address {
		case "127.0.0.1:8080":
			return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
		case "127.0.0.1:1":
			return nil, os.ErrPermission
		}
		return nil, errors.New("Connection refused")
	}}).Addr()))
	client := &http.Client{Transport: &http.Transport{DialContext: node.DialContext}, Timeout: 200 * time.Millisecond}
	answer, err := client.Get("http://127.0.0.1:8080/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if string(body) != "well" {
		t.Errorf("answered %q", body)
	}
	if _, err := client.Get("http://127.0.0.1:8080/slow"); err == nil || !strings.Contains(err.Error(), "Timeout") {
		t.Errorf("a slow answer gave %v", err)
	}
	conn, err := node.DialContext(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline gave %v", err)
	}
	_ = conn.Close()

	_, err = node.DialContext(t.Context(), "tcp", "127.0.0.1:2")
	if err == nil {
		t.Fatal("nothing listens there")
	}
	contains(t, err.Error(), "web-1", "127.0.0.1:2", "refused")
	_, err = node.DialContext(t.Context(), "tcp", "127.0.0.1:1")
	var forbidden *ForwardError
	if !errors.As(err, &forbidden) {
		t.Fatalf("a forbidden address gave %v", err)
	}
	contains(t, hint(err), "AllowTcpForwarding", "command")
}

func TestCloseLeavesNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	w := newWorld(t)
	server := w.server(fleettest.SSHConfig{})
	d := w.dialer()
	for _, name := range []string{"web-1", "web-2"} {
		if err := d.Node(nodeOf(name, server.Addr())).Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	running := make(chan error, 1)
	go func() {
		_, err := d.Node(nodeOf("web-3", server.Addr())).Run(t.Context(), script("sleep 600"))
		running <- err
	}()
	eventually(t, "the script runs", func() bool { return server.Commands() == 1 })
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	wantPhase(t, <-running, PhaseLost)
	if err := d.Node(nodeOf("web-1", server.Addr())).Connect(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("a closed dialer gave %v", err)
	}
	_ = server.Close()
	eventually(t, "all goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
}

func TestNewRefuses(t *testing.T) {
	for name, ssh := range map[string]config.SSH{
		"become":      {Become: "su"},
		"become user": {Become: "sudo", BecomeUser: "x; id"},
		"config file": {ConfigFile: "/no/such/file"},
	} {
		if _, err := New(Options{Home: t.TempDir(), SSH: ssh}); err == nil {
			t.Errorf("a wrong %s was accepted", name)
		}
	}
}
