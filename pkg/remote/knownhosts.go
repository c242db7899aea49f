package remote

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// knownHosts holds the known_hosts files that were read, each once. The format is that of sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
type knownHosts struct {
	mu    sync.Mutex
	files map[string][]knownHost
}

// knownHost is one line.
type knownHost struct {
	file     string
	line     int
	marker   string // "", cert-authority or revoked
	patterns []string
	key      ssh.PublicKey
}

func (h knownHost) place() string { return h.file + ":" + strconv.Itoa(h.line) }

func newKnownHosts() *knownHosts { return &knownHosts{files: map[string][]knownHost{}} }

// lines returns the lines of all files; a file that does not exist has none.
func (k *knownHosts) lines(paths []string) ([]knownHost, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []knownHost
	for _, path := range paths {
		lines, ok := k.files[path]
		if !ok {
			text, err := os.ReadFile(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("reading known hosts: %w", err)
			}
			if lines, err = parseKnownHosts(path, text); err != nil {
				return nil, err
			}
			k.files[path] = lines
		}
		all = append(all, lines...)
	}
	return all, nil
}

// add records a key. A file that is no longer there is made.
func (k *knownHosts) add(path, name string, hashed bool, key ssh.PublicKey) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if hashed {
		name = knownhosts.HashHostname(name)
	}
	line := name + " " + string(ssh.MarshalAuthorizedKey(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("recording a host key: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("recording a host key: %w", err)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		line = "\n" + line
	}
	if err := appendText(path, line); err != nil {
		return fmt.Errorf("recording a host key: %w", err)
	}
	number := bytes.Count(text, []byte("\n")) + strings.Count(line, "\n")
	k.files[path] = append(k.files[path], knownHost{file: path, line: number, patterns: []string{name}, key: key})
	return nil
}

func appendText(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// parseKnownHosts reads a file. Like OpenSSH it passes over lines that it cannot read, but a @revoked line must be understood.
func parseKnownHosts(path string, text []byte) ([]knownHost, error) {
	var lines []knownHost
	number := 0
	for line := range bytes.Lines(text) {
		number++
		marker, patterns, key, _, _, err := ssh.ParseKnownHosts(line)
		if err != nil {
			if bytes.HasPrefix(bytes.TrimSpace(line), []byte("@revoked")) {
				return nil, fmt.Errorf("reading known hosts: %s:%d: the revoked key cannot be read: %w", path, number, err)
			}
			continue
		}
		lines = append(lines, knownHost{file: path, line: number, marker: marker, patterns: patterns, key: key})
	}
	return lines, nil
}

// matches tells whether the line is about name: host, or [host]:port where the port is not 22.
func (h knownHost) matches(name string) bool {
	matched := false
	for _, pattern := range h.patterns {
		pattern, negated := strings.CutPrefix(pattern, "!")
		hit := false
		if strings.HasPrefix(pattern, "|") {
			hit = hashMatches(pattern, name)
		} else {
			hit = wildcard(strings.ToLower(pattern), strings.ToLower(name))
		}
		if hit && negated {
			return false
		}
		matched = matched || hit
	}
	return matched
}

// hashMatches compares with |1|SALT|HASH, where HASH is HMAC-SHA1 of the name.
func hashMatches(pattern, name string) bool {
	parts := strings.Split(pattern, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return false
	}
	salt, saltErr := base64.StdEncoding.DecodeString(parts[2])
	want, hashErr := base64.StdEncoding.DecodeString(parts[3])
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(strings.ToLower(name)))
	return saltErr == nil && hashErr == nil && hmac.Equal(mac.Sum(nil), want)
}

// knownNames are the names under which a server may stand in known_hosts, the first with an entry decides: HostKeyAlias alone where there
// is one; else the host with its port, the host whatever its port (as OpenSSH does), and the same for the node's name.
func (e endpoint) knownNames() []string {
	if e.hostKeyAlias != "" {
		return []string{e.hostKeyAlias}
	}
	var names []string
	for _, host := range []string{e.host, e.name} {
		for _, name := range []string{knownhosts.Normalize(net.JoinHostPort(host, strconv.Itoa(e.port))), host} {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }
