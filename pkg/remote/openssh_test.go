//go:build linux

package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/shell"
)

// whoami connects and asks who one is there.
func whoami(t *testing.T, w *world, s *sshd) (string, error) {
	t.Helper()
	result, err := w.dialer().Node(s.node("web-1")).Run(within(t, 20*time.Second), script(`id -un | facts user`))
	return result.Facts().Get("user"), err
}

func TestOpenSSHKeys(t *testing.T) {
	w := newWorld(t)
	s := w.startSSHD(sshdOptions{})
	w.options.Ask = func(string) (string, error) { return "correct horse", nil }
	for name, args := range map[string][]string{
		"ed25519":                 {"-t", "ed25519", "-N", ""},
		"ecdsa":                   {"-t", "ecdsa", "-N", ""},
		"rsa":                     {"-t", "rsa", "-b", "2048", "-N", ""},
		"rsa PEM":                 {"-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""},
		"rsa PKCS8":               {"-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", ""},
		"ecdsa PEM":               {"-t", "ecdsa", "-m", "PEM", "-N", ""},
		"ed25519 with passphrase": {"-t", "ed25519", "-a", "1", "-N", "correct horse"},
		"rsa PEM with passphrase": {"-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "correct horse"},
	} {
		path := w.path(strings.ReplaceAll(name, " ", "_"))
		keygen(t, append([]string{"-q", "-f", path}, args...)...)
		s.authorize(path + ".pub")
		w.options.SSH.IdentityFiles = []string{path}
		if user, err := whoami(t, w, s); err != nil || user != sshUser {
			t.Errorf("%s: %q, %v", name, user, err)
		}
	}
	path := w.path("pkcs8_locked")
	keygen(t, "-q", "-f", path, "-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "correct horse")
	w.options.SSH.IdentityFiles = []string{path}
	_, err := whoami(t, w, s)
	contains(t, wantPhase(t, err, PhaseLogIn).Hint(), "ssh-keygen -p -f "+path)
}

func TestOpenSSHAgent(t *testing.T) {
	w := newWorld(t)
	s := w.startSSHD(sshdOptions{config: "MaxAuthTries 3\nTrustedUserCAKeys DIR/ca.pub"})
	w.realAgent(w.path("id_ed25519"))
	w.removeKey()
	if _, err := whoami(t, w, s); err != nil {
		t.Errorf("a key in the agent: %v", err)
	}

	var crowd []string
	for i := range 8 {
		path := w.path("other" + strconv.Itoa(i))
		keygen(t, "-q", "-t", "ed25519", "-N", "", "-f", path)
		crowd = append(crowd, path)
	}
	writeKey(t, w.path("named"), w.key, "")
	w.realAgent(crowd...)
	_, err := whoami(t, w, s)
	contains(t, wantPhase(t, err, PhaseLogIn).Error(), "after too many keys")
	contains(t, hint(err), "IdentitiesOnly")
	w.options.SSH.IdentityFiles = []string{"~/.ssh/named"}
	if _, err := whoami(t, w, s); err != nil {
		t.Errorf("a named key with a crowd in the agent: %v", err)
	}
	w.options.SSH.IdentityFiles = nil
	w.write("config", "Host *\n IdentityFile ~/.ssh/named\n IdentitiesOnly yes\n")
	if _, err := whoami(t, w, s); err != nil {
		t.Errorf("IdentitiesOnly with a crowd in the agent: %v", err)
	}
}

func TestOpenSSHUserCertificate(t *testing.T) {
	w := newWorld(t)
	s := w.startSSHD(sshdOptions{config: "TrustedUserCAKeys DIR/ca.pub"})
	keygen(t, "-q", "-t", "ed25519", "-N", "", "-f", s.dir+"/ca")
	path := w.path("certified")
	keygen(t, "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", path)
	w.options.SSH.IdentityFiles = []string{path}
	_, err := whoami(t, w, s)
	contains(t, wantPhase(t, err, PhaseLogIn).Error(), sshUser+" may not log in", path)
	keygen(t, "-q", "-s", s.dir+"/ca", "-I", "me", "-n", sshUser, path+".pub")
	if _, err := whoami(t, w, s); err != nil {
		t.Errorf("a certificate beside the key: %v", err)
	}
	w.realAgent(path)
	if err := os.Remove(path + "-cert.pub"); err != nil {
		t.Fatal(err)
	}
	if _, err := whoami(t, w, s); err != nil {
		t.Errorf("a certificate in the agent: %v", err)
	}
}

func TestOpenSSHWithoutPublicKeys(t *testing.T) {
	w := newWorld(t)
	s := w.startSSHD(sshdOptions{config: "PubkeyAuthentication no\nKbdInteractiveAuthentication yes"})
	_, err := whoami(t, w, s)
	contains(t, wantPhase(t, err, PhaseLogIn).Error(), "takes no public keys from "+sshUser)
}

func TestOpenSSHHostKeys(t *testing.T) {
	w := newWorld(t)
	s := w.startSSHD(sshdOptions{})
	keygen(t, "-q", "-H", "-f", w.path("known_hosts"))
	if text, _ := os.ReadFile(w.path("known_hosts")); !strings.HasPrefix(string(text), "|1|") {
		t.Fatalf("not hashed: %q", text)
	}
	if _, err := whoami(t, w, s); err != nil {
		t.Errorf("hashed known_hosts: %v", err)
	}
	_, other := newKey(t)
	w.write("known_hosts", "")
	w.know(s.address(), other.PublicKey())
	_, err := whoami(t, w, s)
	wantPhase(t, err, PhaseHostKey)
	command, _, _ := strings.Cut(hint(err)[strings.Index(hint(err), "ssh-keygen"):], "&&")
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("the hint %q does not work: %v\n%s", command, err, out)
	}
	_, err = whoami(t, w, s)
	wantPhase(t, err, PhaseHostKey)
	command = hint(err)[strings.Index(hint(err), "ssh-keyscan"):]
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("the hint %q does not work: %v\n%s", command, err, out)
	}
	if _, err := whoami(t, w, s); err != nil {
		t.Errorf("after both hints: %v", err)
	}
}

func TestOpenSSHHostCertificate(t *testing.T) {
	w := newWorld(t)
	s := w.startSSHD(sshdOptions{config: "HostCertificate DIR/host-cert.pub"})
	keygen(t, "-q", "-t", "ecdsa", "-N", "", "-f", s.dir+"/ca")
	keygen(t, "-q", "-s", s.dir+"/ca", "-I", "node", "-h", "-n", "127.0.0.1,web-1", s.dir+"/host.pub")
	if _, err := whoami(t, w, s); err != nil { // a server that answers heeds signals too; one that only listens may not yet
		t.Fatal(err)
	}
	if err := syscall.Kill(s.processes()[0], syscall.SIGHUP); err != nil { // reads its files anew
		t.Fatal(err)
	}
	ca, _ := os.ReadFile(s.dir + "/ca.pub")
	w.write("known_hosts", "@cert-authority "+s.knownName()+",127.0.0.1 "+string(ca))
	eventually(t, "the certificate convinces", func() bool { _, err := whoami(t, w, s); return err == nil })
}

func TestOpenSSHJumps(t *testing.T) {
	w := newWorld(t)
	first, second, target := w.startSSHD(sshdOptions{}), w.startSSHD(sshdOptions{}), w.startSSHD(sshdOptions{})
	w.write("config", fmt.Sprintf("Host web-*\n ProxyJump first,second\nHost first second\n HostName 127.0.0.1\n User %s\nHost first\n Port %d\nHost second\n Port %d\n",
		sshUser, first.port, second.port))
	if user, err := whoami(t, w, target); err != nil || user != sshUser {
		t.Errorf("through two hops: %q, %v", user, err)
	}
	if strings.Contains(first.log.String(), "Starting session") {
		t.Error("a jump host ran a command")
	}
}

func TestOpenSSHLoginShells(t *testing.T) {
	tried := 0
	for _, path := range []string{"/bin/bash", "/bin/dash", "/usr/bin/zsh", "/usr/bin/fish", "/bin/tcsh", "/bin/csh", "/bin/ksh", "/usr/bin/mksh"} {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		tried++
		w := newWorld(t)
		s := w.startSSHD(sshdOptions{shell: path, sudoers: sshUser + " ALL=(ALL) NOPASSWD: ALL"})
		for _, become := range []string{"", "sudo"} {
			w.options.SSH.Become = become
			result, err := w.dialer().Node(s.node("web-1")).Run(within(t, 20*time.Second), shell.Script{Name: "x", Args: []string{"a'b!"}, Body: `fact arg "$1"; exit 5`})
			var exit *shell.ExitError
			if !errors.As(err, &exit) || exit.Status != 5 || result.Facts().Get("arg") != "a'b!" {
				t.Errorf("%s, become %q: %v, %+v", path, become, err, result)
			}
		}
	}
	if tried == 0 {
		t.Error("no shell to try")
	}
}

func TestOpenSSHSudo(t *testing.T) {
	const all = sshUser + " ALL=(ALL) ALL"
	const free = sshUser + " ALL=(ALL) NOPASSWD: ALL"
	for name, c := range map[string]struct {
		sudoers, password, user string
		reason                  string // of a BecomeError; "" is none
	}{
		"without password":              {free, "", "", ""},
		"password not needed":           {free, sudoPassword, "", ""},
		"with password":                 {all, sudoPassword, "", ""},
		"to another user":               {all, sudoPassword, "daemon", ""},
		"requiretty":                    {free + "\nDefaults requiretty", "", "", ""},
		"requiretty with password":      {all + "\nDefaults requiretty", sudoPassword, "", ""},
		"use_pty":                       {free + "\nDefaults use_pty", "", "", ""},
		"use_pty with password":         {all + "\nDefaults use_pty", sudoPassword, "", ""},
		"both ttys":                     {all + "\nDefaults use_pty\nDefaults requiretty", sudoPassword, "", ""},
		"lecture and other tries":       {all + "\nDefaults lecture=always, passwd_tries=1", sudoPassword, "", ""},
		"wrong password":                {all, "wrong horse", "", "password is wrong"},
		"wrong password, one try":       {all + "\nDefaults passwd_tries=1", "wrong horse", "", "password is wrong"},
		"wrong password on a terminal":  {all + "\nDefaults requiretty", "wrong horse", "", "password is wrong"},
		"no password":                   {all, "", "", "there is none"},
		"no rule":                       {"", sudoPassword, "", "not allowed"},
		"no rule for this command":      {sshUser + " ALL=(ALL) NOPASSWD: /bin/true", sudoPassword, "", "not allowed"},
		"no such user":                  {free, "", "nobody-of-that-name", "no such user"},
		"no such user with a password ": {all, sudoPassword, "nobody-of-that-name", "no such user"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.startSSHD(sshdOptions{sudoers: c.sudoers})
			w.options.SSH.Become, w.options.SSH.BecomeUser, w.options.BecomePassword = "sudo", c.user, c.password
			node := w.dialer().Node(s.node("web-1"))
			body := script("id -un | facts user; cat; fact v \"$v\"; echo noise >&2; [ \"$v\" = 1 ] || exit 6")
			body.Vars = []shell.Var{{Name: "v", Value: strings.Repeat("x y\tz ", 3000)}}
			start := time.Now()
			result, err := node.Run(within(t, 20*time.Second), body)
			if c.reason != "" {
				var refused *BecomeError
				if !errors.As(err, &refused) || !strings.Contains(refused.Reason, c.reason) || refused.Hint() == "" {
					t.Errorf("got %v, want %q", err, c.reason)
				}
				if took := time.Since(start); took > 6*time.Second { // PAM delays a refusal by about two seconds
					t.Errorf("took %v", took)
				}
				return
			}
			want := c.user
			if want == "" {
				want = "root"
			}
			var exit *shell.ExitError
			if facts := result.Facts(); !errors.As(err, &exit) || exit.Status != 6 || facts.Get("user") != want || facts.Get("v") != body.Vars[0].Value {
				t.Errorf("%v: %.300v", err, result)
			}
			if all := result.Stdout + result.Stderr; !strings.Contains(all, "noise\n") || strings.Contains(all, "\r") || strings.Contains(all, "ecture") || strings.Contains(all, "rollpin-") {
				t.Errorf("printed %.300q", all)
			}
		})
	}
}

// What sudo started is another user's: no signal reaches it, and it must die all the same.
func TestOpenSSHCancelKillsWhatSudoStarted(t *testing.T) {
	for _, defaults := range []string{"Defaults !use_pty", "Defaults use_pty", "Defaults requiretty", "Defaults requiretty, use_pty", ""} {
		w := newWorld(t)
		s := w.startSSHD(sshdOptions{sudoers: sshUser + " ALL=(ALL) NOPASSWD: ALL\n" + defaults})
		if defaults != "" {
			w.options.SSH.Become = "sudo"
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		node := w.dialer().Node(s.node("web-1"))
		go func() {
			_, err := node.Run(ctx, script("trap '' HUP TERM INT; sleep 4242 & sleep 4242"))
			done <- err
		}()
		eventually(t, "the script runs", func() bool { return s.named("sleep 4242") == 2 })
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		case <-time.After(time.Second):
			t.Errorf("%q: not cancelled within a second", defaults)
		}
		eventually(t, defaults+": all of it is dead", func() bool { return s.named("sleep 4242") == 0 })
		if _, err := node.Run(within(t, 5*time.Second), script("true")); err != nil {
			t.Errorf("%q: the connection is of no use any more: %v", defaults, err)
		}
	}
}

// A script that ends leaves no watcher; a daemon that it started lives on and holds nothing up.
func TestOpenSSHNothingIsLeft(t *testing.T) {
	for _, defaults := range []string{"", "Defaults !use_pty", "Defaults use_pty", "Defaults requiretty"} {
		w := newWorld(t)
		s := w.startSSHD(sshdOptions{sudoers: sshUser + " ALL=(ALL) NOPASSWD: ALL\n" + defaults})
		if defaults != "" {
			w.options.SSH.Become = "sudo"
		}
		node := w.dialer().Node(s.node("web-1"))
		if _, err := node.Run(within(t, 10*time.Second), script("setsid sleep 4242 </dev/null >/dev/null 2>&1 &")); err != nil {
			t.Error(err)
		}
		eventually(t, defaults+": the watcher is gone", func() bool { return s.named("rollpin_word") == 0 })
		eventually(t, defaults+": the daemon survived", func() bool { return s.named("sleep 4242") == 1 })
	}
}

func TestOpenSSHSecretsStayOutOfProcessLists(t *testing.T) {
	w := newWorld(t)
	s := w.startSSHD(sshdOptions{sudoers: sshUser + " ALL=(ALL) ALL"})
	w.options.SSH.Become, w.options.BecomePassword = "sudo", sudoPassword
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		body := script("sleep 4242")
		body.Vars = []shell.Var{{Name: "token", Value: "top-secret-token", Secret: true}}
		_, err := w.dialer().Node(s.node("web-1")).Run(ctx, body)
		done <- err
	}()
	eventually(t, "the script runs", func() bool { return s.named("sleep 4242") == 1 })
	for _, pid := range s.processes() {
		for _, name := range []string{"cmdline", "environ"} {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			if strings.Contains(string(text), "top-secret") || strings.Contains(string(text), sudoPassword) {
				t.Errorf("%s of %d shows a secret", name, pid)
			}
		}
	}
	cancel()
	<-done
	if strings.Contains(s.log.String(), "top-secret") {
		t.Error("the server's log shows a secret")
	}
}

func TestOpenSSHBusyServer(t *testing.T) {
	w := newWorld(t)
	s := w.startSSHD(sshdOptions{config: "MaxStartups 3:100:3"})
	w.options.SSH.ConnectTimeout = 15 * time.Second
	d := w.dialer()
	var nodes sync.WaitGroup
	for i := range 30 {
		nodes.Go(func() {
			if err := d.Node(s.node("web-" + strconv.Itoa(i))).Connect(within(t, 30*time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
	nodes.Wait()
	if !strings.Contains(s.log.String(), "MaxStartups") {
		t.Error("the server was never busy")
	}
}

func TestOpenSSHForwarding(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(out, "well") })}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()

	w := newWorld(t)
	open, shut := w.startSSHD(sshdOptions{}), w.startSSHD(sshdOptions{config: "AllowTcpForwarding no"})
	d := w.dialer()
	client := &http.Client{Transport: &http.Transport{DialContext: d.Node(open.node("web-1")).DialContext}}
	answer, err := client.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if string(body) != "well" {
		t.Errorf("answered %q", body)
	}
	_, err = d.Node(open.node("web-1")).DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t))))
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a closed port gave %v", err)
	}
	_, err = d.Node(shut.node("web-2")).DialContext(t.Context(), "tcp", listener.Addr().String())
	var forbidden *ForwardError
	if !errors.As(err, &forbidden) {
		t.Errorf("AllowTcpForwarding no gave %v", err)
	}
}

func TestOpenSSHStopped(t *testing.T) {
	w := newWorld(t)
	s := w.startSSHD(sshdOptions{})
	w.options.SSH.ConnectTimeout = 2 * time.Second
	w.options.SSH.KeepAlive = 500 * time.Millisecond
	d := w.dialer()
	node := d.Node(s.node("web-1"))
	done := make(chan error, 1)
	go func() {
		_, err := node.Run(t.Context(), script("sleep 4242"))
		done <- err
	}()
	eventually(t, "the script runs", func() bool { return s.named("sleep 4242") > 0 })
	s.signal(syscall.SIGSTOP)
	select {
	case err := <-done:
		wantPhase(t, err, PhaseLost)
	case <-time.After(5 * time.Second):
		t.Error("a stopped server holds a script for ever")
	}
	start := time.Now()
	wantPhase(t, d.Node(s.node("web-2")).Connect(t.Context()), PhaseHandshake)
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("took %v to give up", took)
	}
	s.signal(syscall.SIGCONT)
	if _, err := node.Run(within(t, 5*time.Second), script("true")); err != nil {
		t.Errorf("no way back: %v", err)
	}
}

func TestOpenSSHLostServer(t *testing.T) {
	w := newWorld(t)
	s := w.startSSHD(sshdOptions{})
	node := w.dialer().Node(s.node("web-1"))
	if err := node.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the loss is noticed", func() bool { return node.link.conn.ended() })
	_, err := node.Run(t.Context(), script("true"))
	wantPhase(t, err, PhaseDial)
}
