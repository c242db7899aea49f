package remote

import (
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/rollpin/rollpin/pkg/fleettest"
)

// serveAgent starts an agent with the given keys, and makes it the world's.
func (w *world) serveAgent(keys ...agent.AddedKey) {
	w.t.Helper()
	keyring := agent.NewKeyring()
	for _, key := range keys {
		if err := keyring.Add(key); err != nil {
			w.t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "agent") // t.TempDir may be too long for a socket
	if err != nil {
		w.t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = listener.Close(); _ = os.RemoveAll(dir) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keyring, conn) }()
		}
	}()
	w.options.Getenv = func(name string) string { return map[string]string{"SSH_AUTH_SOCK": socket, "MY_AGENT": socket}[name] }
}

func (w *world) removeKey() {
	if err := os.Remove(w.path("id_ed25519")); err != nil {
		w.t.Fatal(err)
	}
}

func TestAgentKeys(t *testing.T) {
	w := newWorld(t)
	w.removeKey()
	w.serveAgent(agent.AddedKey{PrivateKey: w.key})
	server := w.server(fleettest.SSHConfig{})
	if err := connect(t, w, "web-1", server); err != nil {
		t.Errorf("SSH_AUTH_SOCK: %v", err)
	}
	w.write("config", "Host *\n IdentityAgent $MY_AGENT\n")
	if err := connect(t, w, "web-1", server); err != nil {
		t.Errorf("IdentityAgent: %v", err)
	}
	w.write("config", "Host *\n IdentityAgent none\n")
	contains(t, wantPhase(t, connect(t, w, "web-1", server), PhaseLogIn).Error(), "deploy may not log in", "no key to offer")
	w.write("config", "Host *\n IdentitiesOnly yes\n")
	wantPhase(t, connect(t, w, "web-1", server), PhaseLogIn)
	w.write("config", "Host *\n IdentitiesOnly yes\n IdentityFile ~/.ssh/mine\n")
	w.write("mine.pub", string(ssh.MarshalAuthorizedKey(w.signer.PublicKey())))
	if err := connect(t, w, "web-1", server); err != nil {
		t.Errorf("a public key file that names the agent's key: %v", err)
	}
}

func TestAgentThatIsGoneIsTold(t *testing.T) {
	w := newWorld(t)
	w.removeKey()
	w.options.Getenv = func(string) string { return "/no/such/socket" }
	contains(t, wantPhase(t, connect(t, w, "web-1", w.server(fleettest.SSHConfig{})), PhaseLogIn).Error(), "/no/such/socket")
}

// The server allows six tries; the agent holds ten other keys.
func TestNamedKeysGoBeforeTheAgents(t *testing.T) {
	w := newWorld(t)
	var others []agent.AddedKey
	for range 10 {
		key, _ := newKey(t)
		others = append(others, agent.AddedKey{PrivateKey: key})
	}
	w.serveAgent(others...)
	server := w.server(fleettest.SSHConfig{})
	err := connect(t, w, "web-1", server)
	contains(t, wantPhase(t, err, PhaseLogIn).Hint(), "IdentitiesOnly")
	w.options.SSH.IdentityFiles = []string{"~/.ssh/id_ed25519"}
	if err := connect(t, w, "web-1", server); err != nil {
		t.Errorf("a named key behind the agent's: %v", err)
	}
}

func TestPassphraseIsAskedOnceForAllNodes(t *testing.T) {
	w := newWorld(t)
	writeKey(t, w.path("id_ed25519"), w.key, "correct horse")
	w.options.SSH.ConnectTimeout = 300 * time.Millisecond
	var asked atomic.Int32
	w.options.Ask = func(prompt string) (string, error) {
		contains(t, prompt, w.path("id_ed25519"))
		if asked.Add(1) == 1 {
			return "wrong", nil
		}
		time.Sleep(500 * time.Millisecond) // a person types for longer than ConnectTimeout
		return "correct horse", nil
	}
	var servers [8]*fleettest.SSHServer
	for i := range servers {
		servers[i] = w.server(fleettest.SSHConfig{})
	}
	d := w.dialer()
	var nodes sync.WaitGroup
	for _, server := range servers {
		nodes.Go(func() {
			if err := d.Node(nodeOf("web-1", server.Addr())).Connect(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	nodes.Wait()
	if asked.Load() != 2 {
		t.Errorf("asked %d times, want once more after a wrong one", asked.Load())
	}
}

func TestPassphraseIsNotAskedInVain(t *testing.T) {
	w := newWorld(t)
	other, _ := newKey(t)
	writeKey(t, w.path("locked"), other, "secret")
	w.options.Ask = func(string) (string, error) { t.Error("asked"); return "", errors.New("no") }
	w.write("config", "Host *\n IdentityFile ~/.ssh/locked\n IdentityFile ~/.ssh/id_ed25519\n")
	server := w.server(fleettest.SSHConfig{})
	if err := connect(t, w, "web-1", server); err != nil {
		t.Errorf("a key that the server does not want stood in the way: %v", err)
	}
	w.serveAgent(agent.AddedKey{PrivateKey: w.key})
	writeKey(t, w.path("id_ed25519"), w.key, "secret")
	if err := connect(t, w, "web-1", server); err != nil {
		t.Errorf("a key that the agent holds unlocked: %v", err)
	}
}

func TestKeysThatCannotBeUsedAreTold(t *testing.T) {
	w := newWorld(t)
	server := w.server(fleettest.SSHConfig{})
	path := w.path("deploy")
	w.options.SSH.IdentityFiles = []string{path}
	for name, c := range map[string]struct {
		prepare    func()
		text, hint string
	}{
		"missing":     {func() {}, "file does not exist", "ssh.identity_files"},
		"no key":      {func() { w.write("deploy", "hello") }, "no key found", "ssh-keygen -p"},
		"open":        {func() { writeKey(t, path, w.key, ""); _ = os.Chmod(path, 0o644) }, "others may read it", "chmod 600 " + path},
		"encrypted":   {func() { _ = os.Chmod(path, 0o600); writeKey(t, path, w.key, "x") }, "needs a passphrase", "ssh-add " + path},
		"public half": {func() { w.write("deploy", string(ssh.MarshalAuthorizedKey(w.signer.PublicKey()))) }, "only its public half", "ssh-add"},
	} {
		_ = os.Remove(path)
		c.prepare()
		err := connect(t, w, "web-1", server)
		unreachable := wantPhase(t, err, PhaseLogIn)
		t.Log(name, "gives", err)
		contains(t, err.Error(), "web-1", path, c.text)
		contains(t, unreachable.Hint(), c.hint)
	}
	w.options.SSH.IdentityFiles = nil
	_ = os.Chmod(w.path("id_ed25519"), 0o640)
	contains(t, wantPhase(t, connect(t, w, "web-1", server), PhaseLogIn).Error(), "not used: key "+w.path("id_ed25519"), "chmod 600")
}

func TestUserCertificates(t *testing.T) {
	w := newWorld(t)
	_, authority := newKey(t)
	certificate := &ssh.Certificate{Key: w.signer.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"deploy"}, ValidBefore: ssh.CertTimeInfinity}
	if err := certificate.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	text := string(ssh.MarshalAuthorizedKey(certificate))
	server := w.server(fleettest.SSHConfig{UserCA: authority.PublicKey()})

	wantPhase(t, connect(t, w, "web-1", server), PhaseLogIn)
	w.write("elsewhere.pub", text)
	w.write("config", "Host *\n CertificateFile ~/.ssh/elsewhere.pub\n")
	if err := connect(t, w, "web-1", server); err != nil {
		t.Errorf("CertificateFile: %v", err)
	}
	w.write("config", "")
	w.write("id_ed25519-cert.pub", text)
	if err := connect(t, w, "web-1", server); err != nil {
		t.Errorf("beside the key: %v", err)
	}
	_ = os.Remove(w.path("id_ed25519-cert.pub"))
	w.serveAgent(agent.AddedKey{PrivateKey: w.key, Certificate: certificate})
	w.write("config", "Host *\n IdentitiesOnly yes\n IdentityFile ~/.ssh/id_ed25519\n")
	if err := connect(t, w, "web-1", server); err != nil {
		t.Errorf("in the agent, for a key that is named: %v", err)
	}
}
