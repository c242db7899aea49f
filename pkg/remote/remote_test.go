package remote

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/fleettest"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/shell"
)

// newKey makes a key pair.
func newKey(t *testing.T) (ed25519.PrivateKey, ssh.Signer) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, signer
}

// writeKey writes a private key, with a passphrase if that is not empty.
func writeKey(t *testing.T, path string, key ed25519.PrivateKey, passphrase string) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "test")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, string(pem.EncodeToMemory(block)))
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// world is a home directory with a key, and servers that take the key and are known.
type world struct {
	t       *testing.T
	home    string
	key     ed25519.PrivateKey
	signer  ssh.Signer
	options Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, home: t.TempDir()}
	w.key, w.signer = newKey(t)
	writeKey(t, w.path("id_ed25519"), w.key, "")
	w.options = Options{Home: w.home, Getenv: func(string) string { return "" }, SSH: config.SSH{User: "deploy", ConnectTimeout: 5 * time.Second}}
	writeFile(t, w.path("config"), "")
	w.options.SSH.ConfigFile = w.path("config") // leaves the system's file out
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.home, ".ssh", name) }

func (w *world) write(name, text string) { writeFile(w.t, w.path(name), text) }

// server starts a server that takes the world's key; it is in known_hosts.
func (w *world) server(config fleettest.SSHConfig) *fleettest.SSHServer {
	w.t.Helper()
	s := w.stranger(config)
	w.know(s.Addr(), s.HostKey())
	return s
}

// stranger starts a server that is not in known_hosts.
func (w *world) stranger(config fleettest.SSHConfig) *fleettest.SSHServer {
	w.t.Helper()
	if config.Authorized == nil && config.UserCA == nil {
		config.Authorized = []ssh.PublicKey{w.signer.PublicKey()}
	}
	if config.Dir == "" {
		config.Dir = w.t.TempDir()
	}
	s, err := fleettest.ListenSSH(config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

func (w *world) know(address string, key ssh.PublicKey) {
	w.t.Helper()
	text, _ := os.ReadFile(w.path("known_hosts"))
	w.write("known_hosts", string(text)+knownhosts.Line([]string{address}, key)+"\n")
}

func (w *world) dialer() *Dialer {
	w.t.Helper()
	d, err := New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = d.Close() })
	return d
}

// node is the inventory's entry for a server.
func nodeOf(name, address string) inventory.Node {
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	return inventory.Node{Name: name, Address: host, Port: number}
}

func script(body string) shell.Script { return shell.Script{Name: "test", Body: body} }

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// hintOfError is what a user sees below the error.
func hint(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

func wantPhase(t *testing.T, err error, phase string) *UnreachableError {
	t.Helper()
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) {
		t.Fatalf("got %v, want an UnreachableError", err)
	}
	if unreachable.Phase != phase {
		t.Fatalf("phase is %q in %v, want %q", unreachable.Phase, err, phase)
	}
	return unreachable
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
	}
}
