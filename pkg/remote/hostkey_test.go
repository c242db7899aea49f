package remote

import (
	"crypto/rand"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/rollpin/rollpin/pkg/fleettest"
)

func connect(t *testing.T, w *world, name string, server *fleettest.SSHServer) error {
	t.Helper()
	return w.dialer().Node(nodeOf(name, server.Addr())).Connect(within(t, 10*time.Second))
}

func TestKnownHostsFormsAreUnderstood(t *testing.T) {
	w := newWorld(t)
	server := w.stranger(fleettest.SSHConfig{})
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(server.HostKey())))
	_, port, _ := net.SplitHostPort(server.Addr())
	named := knownhosts.Normalize(server.Addr())
	_, other := newKey(t)
	otherKey := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(other.PublicKey())))
	for name, text := range map[string]string{
		"host and port":            named + " " + key,
		"hashed":                   knownhosts.HashHostname(named) + " " + key,
		"host of any port":         "127.0.0.1 " + key,
		"wildcard":                 "127.0.0.* " + key,
		"list with negation":       "!10.*,127.*,x " + key,
		"the node's name":          "web-1 " + key,
		"the node's name and port": "[web-1]:" + port + " " + key,
		"one of several keys":      named + " " + otherKey + "\n" + named + " " + key,
		"amid lines of no use":     "# comment\n\nnonsense\nx ssh-future AAAA\n" + named + " " + key,
		"with a comment, no \\n":   named + " " + key + " root@web-1",
		"address before name":      "web-1 " + otherKey + "\n" + named + " " + key,
	} {
		w.write("known_hosts", text)
		if err := connect(t, w, "web-1", server); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.write("known_hosts", "alias "+key)
	w.write("config", "Host web-*\n HostKeyAlias alias\n")
	if err := connect(t, w, "web-1", server); err != nil {
		t.Errorf("HostKeyAlias: %v", err)
	}
	w.write("config", "Host *\n UserKnownHostsFile ~/.ssh/no-such-file\n GlobalKnownHostsFile ~/.ssh/global\n")
	w.write("global", named+" "+key)
	if err := connect(t, w, "web-1", server); err != nil {
		t.Errorf("GlobalKnownHostsFile: %v", err)
	}
}

func TestUnknownHostIsRefused(t *testing.T) {
	w := newWorld(t)
	server := w.stranger(fleettest.SSHConfig{})
	_, port, _ := net.SplitHostPort(server.Addr())
	err := connect(t, w, "web-1", server)
	unreachable := wantPhase(t, err, PhaseHostKey)
	contains(t, err.Error(), "web-1", "unknown", "ssh-ed25519", ssh.FingerprintSHA256(server.HostKey()))
	contains(t, unreachable.Hint(), "fingerprint", "ssh-keyscan -p "+port+" 127.0.0.1 >> "+w.path("known_hosts"))
	if server.Logins() != 0 {
		t.Error("logged in all the same")
	}
}

func TestChangedHostIsRefusedUnderEverySetting(t *testing.T) {
	for _, strict := range []string{"yes", "ask", "accept-new", "no"} {
		w := newWorld(t)
		server := w.stranger(fleettest.SSHConfig{})
		_, other := newKey(t)
		w.write("config", "Host *\n StrictHostKeyChecking "+strict+"\n")
		w.write("known_hosts", "# first line\n")
		w.know(server.Addr(), other.PublicKey())
		err := connect(t, w, "web-1", server)
		unreachable := wantPhase(t, err, PhaseHostKey)
		contains(t, err.Error(), "changed", ssh.FingerprintSHA256(server.HostKey()), w.path("known_hosts")+":2", ssh.FingerprintSHA256(other.PublicKey()))
		contains(t, unreachable.Hint(), "ssh-keygen -R '"+knownhosts.Normalize(server.Addr())+"' -f "+w.path("known_hosts"), "ssh-keyscan")
	}
}

func TestAcceptNewRecordsTheKey(t *testing.T) {
	for _, hash := range []string{"no", "yes"} {
		w := newWorld(t)
		server := w.stranger(fleettest.SSHConfig{})
		w.write("config", "Host *\n StrictHostKeyChecking accept-new\n HashKnownHosts "+hash+"\n")
		w.write("known_hosts", "# no newline at the end")
		if err := connect(t, w, "web-1", server); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(w.path("known_hosts"))
		if hashed := strings.Contains(string(text), "|1|"); hashed != (hash == "yes") || strings.Count(string(text), "\n") != 2 {
			t.Errorf("recorded %q", text)
		}
		w.write("config", "")
		if err := connect(t, w, "web-1", server); err != nil {
			t.Errorf("what was recorded is not known: %v", err)
		}
	}
	w := newWorld(t)
	w.write("config", "Host *\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n")
	if err := connect(t, w, "web-1", w.stranger(fleettest.SSHConfig{})); err != nil {
		t.Errorf("unchecked: %v", err)
	}
}

// What one node's log-in recorded holds for the next log-in of the same run.
func TestRecordedKeyHoldsAtOnce(t *testing.T) {
	w := newWorld(t)
	first := w.stranger(fleettest.SSHConfig{})
	second := w.stranger(fleettest.SSHConfig{})
	w.write("config", "Host *\n StrictHostKeyChecking accept-new\n HostKeyAlias same\n")
	w.write("known_hosts", "# a comment\n")
	d := w.dialer()
	if err := d.Node(nodeOf("web-1", first.Addr())).Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := d.Node(nodeOf("web-2", second.Addr())).Connect(t.Context())
	contains(t, wantPhase(t, err, PhaseHostKey).Error(), "changed", "known_hosts:2")
}

func TestRevokedHostIsRefused(t *testing.T) {
	w := newWorld(t)
	server := w.server(fleettest.SSHConfig{})
	text, _ := os.ReadFile(w.path("known_hosts"))
	w.write("config", "Host *\n StrictHostKeyChecking no\n")
	w.write("known_hosts", string(text)+"@revoked * "+string(ssh.MarshalAuthorizedKey(server.HostKey())))
	contains(t, wantPhase(t, connect(t, w, "web-1", server), PhaseHostKey).Error(), "is revoked", "known_hosts:2")
	w.write("known_hosts", "@revoked * ssh-ed25519 garbage")
	if err := connect(t, w, "web-1", server); err == nil || !strings.Contains(err.Error(), "known_hosts:1") {
		t.Errorf("an unreadable @revoked line gave %v", err)
	}
}

func TestHostCertificates(t *testing.T) {
	_, authority := newKey(t)
	_, host := newKey(t)
	_, stranger := newKey(t)
	now := uint64(time.Now().Unix())
	for name, c := range map[string]struct {
		principals []string
		certType   uint32
		until      uint64
		known      ssh.PublicKey
		marker     string
		problem    string // "" is none
	}{
		"good":              {[]string{"web-1"}, ssh.HostCert, now + 600, authority.PublicKey(), "@cert-authority *", ""},
		"wildcard":          {[]string{"web-*"}, ssh.HostCert, now + 600, authority.PublicKey(), "@cert-authority web-?", ""},
		"for another":       {[]string{"web-2"}, ssh.HostCert, now + 600, authority.PublicKey(), "@cert-authority *", "not good"},
		"expired":           {[]string{"web-1"}, ssh.HostCert, now - 60, authority.PublicKey(), "@cert-authority *", "not good"},
		"of a user":         {[]string{"web-1"}, ssh.UserCert, now + 600, authority.PublicKey(), "@cert-authority *", ""},
		"other authority":   {[]string{"web-1"}, ssh.HostCert, now + 600, stranger.PublicKey(), "@cert-authority *", "unknown"},
		"revoked authority": {[]string{"web-1"}, ssh.HostCert, now + 600, authority.PublicKey(), "@revoked *", "revoked"},
		"plain key known":   {[]string{"web-1"}, ssh.HostCert, now + 600, host.PublicKey(), "web-1", ""},
	} {
		certificate := &ssh.Certificate{Key: host.PublicKey(), CertType: c.certType, ValidPrincipals: c.principals, ValidAfter: now - 3600, ValidBefore: c.until}
		if err := certificate.SignCert(rand.Reader, authority); err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.NewCertSigner(certificate, host)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t)
		w.write("config", "Host *\n HostKeyAlias web-1\n")
		w.write("known_hosts", c.marker+" "+string(ssh.MarshalAuthorizedKey(c.known)))
		err = connect(t, w, "web-1", w.stranger(fleettest.SSHConfig{HostKey: signer}))
		if name == "of a user" { // refused by the library or by us, but refused
			wantError(t, name, err)
			continue
		}
		if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
			t.Errorf("%s: %v, want %q", name, err, c.problem)
		}
	}
}

func wantError(t *testing.T, name string, err error) {
	t.Helper()
	var refused *HostKeyError
	if !errors.As(err, &refused) {
		t.Errorf("%s: got %v, want a HostKeyError", name, err)
	}
}

func TestKnownKeyTypeIsAskedForFirst(t *testing.T) {
	_, ed := newKey(t)
	h := hostKeys{}
	if first := h.algorithms()[0]; first != ssh.KeyAlgoED25519 {
		t.Errorf("nothing known: %s first", first)
	}
	h.authorities = []knownHost{{key: ed.PublicKey()}}
	if first := h.algorithms()[0]; !strings.HasSuffix(first, certSuffix) {
		t.Errorf("an authority known: %s first", first)
	}
	rsa, err := ssh.ParsePublicKey(rsaBlob())
	if err != nil {
		t.Fatal(err)
	}
	h = hostKeys{plain: []knownHost{{key: rsa}}}
	if first := h.algorithms()[0]; keyTypeOf(first) != ssh.KeyAlgoRSA {
		t.Errorf("an RSA key known: %s first", first)
	}
}

// rsaBlob is some RSA public key on the wire, RFC 4253 section 6.6.
func rsaBlob() []byte {
	n := make([]byte, 257)
	n[1], n[256] = 0xc5, 0x01
	return ssh.Marshal(struct {
		Type string
		E, N string
	}{ssh.KeyAlgoRSA, "\x01\x00\x01", string(n)})
}

func FuzzKnownHosts(f *testing.F) {
	f.Add("|1|c2FsdA==|aGFzaA== ssh-ed25519 AAAA\n@revoked * x\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := parseKnownHosts("file", []byte(text))
		if err != nil {
			return
		}
		for _, line := range lines {
			line.matches("[host]:2222")
		}
	})
}
