package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// login is one handshake and log-in: who the server must be, and which keys it is offered.
type login struct {
	dialer *Dialer
	to     endpoint
	behind *link
	clock  *clock

	mu             sync.Mutex
	reached        string // the phase
	listed         bool   // the server wanted to see keys
	hostErr        error
	tried, skipped []string
	keyErr         error
}

func (l *login) config() *ssh.ClientConfig {
	config := &ssh.ClientConfig{
		User:            l.to.user,
		Auth:            []ssh.AuthMethod{ssh.PublicKeysCallback(l.signers)},
		HostKeyCallback: l.checkHost,
		ClientVersion:   "SSH-2.0-rollpin",
	}
	keys, err := l.dialer.hosts.of(l.to, l.behind)
	if err != nil { // told by checkHost, which reads the same files
		return config
	}
	config.HostKeyAlgorithms = keys.algorithms()
	return config
}

func (l *login) checkHost(_ string, _ net.Addr, key ssh.PublicKey) error {
	keys, err := l.dialer.hosts.of(l.to, l.behind)
	if err == nil {
		err = keys.verify(key)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reached, l.hostErr = PhaseLogIn, err
	if err != nil {
		l.reached = PhaseHostKey
	}
	return err
}

func (l *login) phase() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reached == "" {
		return PhaseHandshake
	}
	return l.reached
}

func (l *login) hostKeyError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hostErr
}

// explain turns the protocol's error into who tried what.
func (l *login) explain(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keyErr != nil {
		return l.keyErr
	}
	hint := "allow one of these keys for " + l.to.user + " on the node, or name another key or user (ssh.identity_files, ssh.user in rollpin.yaml); see: " +
		l.to.tryCommand(l.behind)
	if len(l.tried) > 5 {
		hint = "offer fewer keys: set IdentityFile and IdentitiesOnly yes in ssh_config, or ssh.identity_files in rollpin.yaml, whose keys go first"
	}
	if !l.listed {
		hint = "allow public keys in the node's sshd_config (PubkeyAuthentication, AuthenticationMethods)"
	}
	return &LoginError{User: l.to.user, unasked: !l.listed, Tried: slices.Clone(l.tried), Skipped: slices.Clone(l.skipped), Err: err, hint: hint}
}

// offer is an ordered list of keys, each once.
type offer struct {
	signers []ssh.Signer
	names   []string
}

func (o *offer) add(signer ssh.Signer, name string) {
	blob := signer.PublicKey().Marshal()
	if !slices.ContainsFunc(o.signers, func(other ssh.Signer) bool { return bytes.Equal(other.PublicKey().Marshal(), blob) }) {
		o.signers = append(o.signers, signer)
		o.names = append(o.names, name+" "+ssh.FingerprintSHA256(signer.PublicKey()))
	}
}

// signers lists the keys in the order in which they are offered: those that somebody named, then the agent's others, then OpenSSH's default
// files. A server allows few tries (MaxAuthTries), so that named keys must not wait behind an agent full of others.
func (l *login) signers() ([]ssh.Signer, error) {
	held, skipped := l.agentKeys()
	certificates, err := readCertificates(l.to.certificates)
	var keys offer
	fromAgent := func() {
		if !l.to.identitiesOnly {
			for _, signer := range held {
				keys.add(signer, "agent key")
			}
		}
	}
	defaults := len(l.to.identities) > 0 && l.to.identities[0].origin == byDefault
	if defaults {
		fromAgent()
	}
	for _, file := range l.to.identities {
		if err != nil {
			break
		}
		var reason error
		if reason = l.addIdentity(&keys, file, held, certificates); reason == nil {
			continue
		}
		if file.origin == byRollpin {
			err = reason
		} else if file.origin != byDefault || !errors.Is(reason, fs.ErrNotExist) {
			skipped = append(skipped, reason.Error()+hintOf(reason))
		}
	}
	if !defaults {
		fromAgent()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listed, l.tried, l.skipped, l.keyErr = true, keys.names, skipped, err
	return keys.signers, err
}

func hintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" && !errors.Is(err, fs.ErrNotExist) {
		return " (" + hinted.Hint() + ")"
	}
	return ""
}

func (l *login) agentKeys() (held []ssh.Signer, skipped []string) {
	if l.to.agent == "" {
		return nil, nil
	}
	held, err := l.dialer.keys.agentSigners(l.clock.ctx, l.to.agent)
	if err != nil {
		skipped = append(skipped, err.Error())
	}
	return held, skipped
}

// addIdentity offers one key file: its certificates first, then the key; by the agent where that holds it, so that no passphrase is needed.
func (l *login) addIdentity(keys *offer, file identityFile, held []ssh.Signer, certificates []*ssh.Certificate) error {
	id := l.dialer.keys.identity(file.path)
	if id.err != nil {
		return id.err
	}
	signer, err := l.signerOf(id, held)
	if err != nil {
		return &KeyFileError{file.path, err, "add it to the agent: ssh-add " + file.path}
	}
	for _, other := range held { // a certificate in the agent
		if certificate, ok := certificateOf(other); ok && sameKey(certificate.Key, signer.PublicKey()) {
			keys.add(other, file.path+" with the agent's certificate")
		}
	}
	if id.certificate != nil {
		certificates = append([]*ssh.Certificate{id.certificate}, certificates...)
	}
	for _, certificate := range certificates {
		if sameKey(certificate.Key, signer.PublicKey()) {
			certified, err := ssh.NewCertSigner(certificate, signer)
			if err != nil {
				return &KeyFileError{file.path, err, "sign the key's certificate anew"}
			}
			keys.add(certified, file.path+" with certificate")
		}
	}
	keys.add(signer, file.path)
	return nil
}

// signerOf finds who can sign for a key file: the agent, the file, or the file once its passphrase is known.
func (l *login) signerOf(id *identity, held []ssh.Signer) (ssh.Signer, error) {
	if id.public != nil {
		for _, signer := range held {
			if sameKey(signer.PublicKey(), id.public) {
				return signer, nil
			}
		}
		if id.encrypted != nil && id.store.ask != nil {
			return lateSigner{id, l.clock}, nil
		}
	}
	resume := l.clock.pause()
	defer resume()
	return id.unlock(l.clock.ctx)
}

func certificateOf(signer ssh.Signer) (*ssh.Certificate, bool) {
	key := signer.PublicKey()
	if held, ok := key.(*agent.Key); ok {
		parsed, err := ssh.ParsePublicKey(held.Blob)
		if err != nil {
			return nil, false
		}
		key = parsed
	}
	certificate, ok := key.(*ssh.Certificate)
	return certificate, ok
}

// readCertificates reads the files of CertificateFile.
func readCertificates(paths []string) ([]*ssh.Certificate, error) {
	var all []*ssh.Certificate
	for _, path := range paths {
		if certificate := readCertificate(path); certificate != nil {
			all = append(all, certificate)
			continue
		}
		if _, err := os.Stat(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, &KeyFileError{path, err, "make it readable for you: chmod 600 " + path}
		} else if err == nil {
			return nil, &KeyFileError{path, fmt.Errorf("it is no certificate"), "check CertificateFile in ssh_config"}
		}
	}
	return all, nil
}
