package fleettest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// listen starts a server that lets signer in.
func listen(t *testing.T, config SSHConfig) (*SSHServer, ssh.Signer) {
	t.Helper()
	signer := newSigner(t)
	config.Authorized = append(config.Authorized, signer.PublicKey())
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	server, err := ListenSSH(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server, signer
}

func logIn(t *testing.T, server *SSHServer, signer ssh.Signer) *ssh.Client {
	t.Helper()
	client, err := ssh.Dial("tcp", server.Addr(), &ssh.ClientConfig{
		User:            "deploy",
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.FixedHostKey(server.HostKey()),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newSession(t *testing.T, client *ssh.Client) *ssh.Session {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func TestCommandsRunAsConfigured(t *testing.T) {
	dir := t.TempDir()
	server, signer := listen(t, SSHConfig{Dir: dir, Environ: []string{"PATH=" + os.Getenv("PATH"), "GREETING=hello"}})
	client := logIn(t, server, signer)
	session := newSession(t, client)
	var stderr strings.Builder
	session.Stdin, session.Stderr = strings.NewReader("input\n"), &stderr
	stdout, err := session.Output(`cat; echo "$GREETING"; pwd -P; echo oops >&2; exit 3`)
	var exit *ssh.ExitError
	if !errors.As(err, &exit) || exit.ExitStatus() != 3 {
		t.Errorf("ended with %v, want status 3", err)
	}
	real, _ := filepath.EvalSymlinks(dir)
	if want := "input\nhello\n" + real + "\n"; string(stdout) != want || stderr.String() != "oops\n" {
		t.Errorf("printed %q and %q, want %q", stdout, stderr.String(), want)
	}
	if server.Logins() != 1 || server.Commands() != 1 {
		t.Errorf("counted %d log-ins and %d commands", server.Logins(), server.Commands())
	}
}

func TestStrangersStayOut(t *testing.T) {
	authority, guest := newSigner(t), newSigner(t)
	server, _ := listen(t, SSHConfig{UserCA: authority.PublicKey()})
	certificate := &ssh.Certificate{Key: guest.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"deploy"}, ValidBefore: ssh.CertTimeInfinity}
	if err := certificate.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	certified, err := ssh.NewCertSigner(certificate, guest)
	if err != nil {
		t.Fatal(err)
	}
	logIn(t, server, certified)
	config := &ssh.ClientConfig{User: "deploy", Auth: []ssh.AuthMethod{ssh.PublicKeys(guest)}, HostKeyCallback: ssh.FixedHostKey(server.HostKey())}
	if _, err := ssh.Dial("tcp", server.Addr(), config); err == nil {
		t.Error("a key that nobody authorized logged in")
	}
}

func TestSignalsReachTheProcessGroup(t *testing.T) {
	server, signer := listen(t, SSHConfig{})
	session := newSession(t, logIn(t, server, signer))
	stdout, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("echo up; sleep 600 | sleep 600"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadFull(stdout, make([]byte, 3))
	if err := session.Signal(ssh.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *ssh.ExitError
	if err := session.Wait(); !errors.As(err, &exit) || exit.Signal() != "TERM" {
		t.Errorf("ended with %v, want SIGTERM", err)
	}
}

func TestHangingUpKillsTheGroupButNotWhoLeftIt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs setsid(1)")
	}
	server, signer := listen(t, SSHConfig{})
	session := newSession(t, logIn(t, server, signer))
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("setsid sh -c 'echo $$; exec sleep 600' & sleep 600 & echo $!; wait"); err != nil {
		t.Fatal(err)
	}
	var pids [2]int
	if _, err := fmt.Fscan(out, &pids[0], &pids[1]); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); lives(pids[0]) && lives(pids[1]); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("hanging up killed nothing")
		}
	}
	if !lives(pids[0]) && !lives(pids[1]) {
		t.Error("hanging up killed the process that had made a session of its own")
	}
	for _, pid := range pids {
		if lives(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func lives(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestTerminal(t *testing.T) {
	if !canPTY {
		t.Skip("no terminals here")
	}
	server, signer := listen(t, SSHConfig{})
	session := newSession(t, logIn(t, server, signer))
	modes := ssh.TerminalModes{ssh.ECHO: 0, ssh.ICANON: 0, ssh.OPOST: 0, ssh.ISIG: 0, ssh.ICRNL: 0}
	if err := session.RequestPty("dumb", 24, 80, modes); err != nil {
		t.Fatal(err)
	}
	session.Stdin = strings.NewReader("silent\r\n\x03\n")
	out, err := session.Output("tty >/dev/null && read -r word && printf '%s|\n' \"$word\"; exit 4")
	var exit *ssh.ExitError
	if !errors.As(err, &exit) || exit.ExitStatus() != 4 || string(out) != "silent\r|\n" {
		t.Errorf("printed %q and ended with %v", out, err)
	}
}

func TestForwarding(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); _ = conn.Close() }()
		}
	}()
	server, signer := listen(t, SSHConfig{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "127.0.0.1:1" {
			return nil, os.ErrPermission
		}
		return new(net.Dialer).DialContext(ctx, network, echo.Addr().String())
	}})
	client := logIn(t, server, signer)
	conn, err := client.Dial("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write([]byte("ping"))
	answer := make([]byte, 4)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "ping" {
		t.Errorf("answered %q, %v", answer, err)
	}
	_ = conn.Close()
	var refused *ssh.OpenChannelError
	if _, err := client.Dial("tcp", "127.0.0.1:1"); !errors.As(err, &refused) || refused.Reason != ssh.Prohibited {
		t.Errorf("forwarding to a forbidden address gave %v", err)
	}
}

func TestFaults(t *testing.T) {
	server, signer := listen(t, SSHConfig{})
	client := logIn(t, server, signer)

	server.Freeze()
	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatalf("a frozen server must still accept: %v", err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a frozen server said something: %d bytes, %v", n, err)
	}
	stalled := make(chan error, 1)
	go func() {
		_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
		stalled <- err
	}()
	select {
	case err := <-stalled:
		t.Errorf("an open connection of a frozen server answered: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	server.Thaw()
	if err := <-stalled; err != nil {
		t.Errorf("a thawed server lost its connection: %v", err)
	}

	server.Cut()
	if err := client.Wait(); err == nil {
		t.Error("a cut connection ended without an error")
	}
	server.Refuse(1)
	conn, err = net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("a refusal reads as %d, %v", n, err)
	}
	logIn(t, server, signer)
}

func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	server, signer := listen(t, SSHConfig{})
	client := logIn(t, server, signer)
	for range 3 {
		if err := newSession(t, client).Start("sleep 600"); err != nil {
			t.Fatal(err)
		}
	}
	server.Freeze()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	_ = client.Wait()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			buffer := make([]byte, 1<<16)
			t.Fatalf("goroutines are left:\n%s", buffer[:runtime.Stack(buffer, true)])
		}
	}
}
