package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"golang.org/x/crypto/ssh"
)

// keyStore shares private keys and agents among all nodes.
type keyStore struct {
	ask func(prompt string) (string, error)

	mu     sync.Mutex
	files  map[string]*identity
	agents map[string]*agentConn
	asking sync.Mutex // one question at a time
}

func newKeyStore(ask func(string) (string, error)) *keyStore {
	return &keyStore{ask: ask, files: map[string]*identity{}, agents: map[string]*agentConn{}}
}

// identity is one key file, read once.
type identity struct {
	path        string
	store       *keyStore
	err         error
	public      ssh.PublicKey    // nil where an encrypted file does not tell
	certificate *ssh.Certificate // PATH-cert.pub, or nil
	signer      ssh.Signer       // nil where a passphrase is needed, or only the public half is here
	encrypted   []byte

	unlockOnce sync.Once
	unlocked   chan struct{} // closed when signer or unlockErr is there
	unlockErr  error
}

// passphraseTries is OpenSSH's default of NumberOfPasswordPrompts.
const passphraseTries = 3

var (
	errPublicOnly   = errors.New("only its public half is here, and the agent does not hold it")
	errNoTerminal   = errors.New("it needs a passphrase, and there is no terminal to ask on")
	errOpenToOthers = errors.New("others may read it")
)

// identity reads the key at path. Its err says why it cannot be used.
func (s *keyStore) identity(path string) *identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.files[path]
	if !ok {
		id = &identity{path: path, store: s, unlocked: make(chan struct{})}
		id.err = id.read()
		s.files[path] = id
	}
	return id
}

func (id *identity) read() error {
	text, err := os.ReadFile(id.path)
	if errors.Is(err, fs.ErrNotExist) {
		if id.public = readPublic(id.path + ".pub"); id.public == nil {
			return &KeyFileError{id.path, fs.ErrNotExist, "create it with ssh-keygen, or name another file in ssh.identity_files"}
		}
		return nil
	}
	if err != nil {
		return &KeyFileError{id.path, err, "make it readable for you: chmod 600 " + id.path}
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil { // IdentityFile may name the public half of an agent's key
		id.public = public
		return nil
	}
	if info, err := os.Stat(id.path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 && ownedByMe(info) {
		return &KeyFileError{id.path, errOpenToOthers, "as ssh, rollpin does not use such a key: chmod 600 " + id.path}
	}
	id.certificate = readCertificate(id.path + "-cert.pub")
	id.signer, err = ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case err == nil:
		id.public = id.signer.PublicKey()
	case errors.As(err, &locked):
		id.encrypted = text
		if id.public = locked.PublicKey; id.public == nil {
			id.public = readPublic(id.path + ".pub")
		}
	default:
		return &KeyFileError{id.path, err, "write it in OpenSSH's own format: ssh-keygen -p -f " + id.path + " (a PuTTY key: puttygen KEY.ppk -O private-openssh)"}
	}
	return nil
}

// unlock makes the signer, asking for the passphrase once for all who need it.
func (id *identity) unlock(ctx context.Context) (ssh.Signer, error) {
	switch {
	case id.encrypted == nil && id.signer == nil:
		return nil, errPublicOnly
	case id.encrypted == nil:
		return id.signer, nil
	case id.store.ask == nil:
		return nil, errNoTerminal
	}
	id.unlockOnce.Do(func() {
		go func() {
			defer close(id.unlocked)
			id.signer, id.unlockErr = id.decrypt()
		}()
	})
	select {
	case <-id.unlocked:
		return id.signer, id.unlockErr
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (id *identity) decrypt() (ssh.Signer, error) {
	id.store.asking.Lock()
	defer id.store.asking.Unlock()
	var signer ssh.Signer
	err := errNoTerminal
	for try := 0; try < passphraseTries; try++ {
		passphrase, askErr := id.store.ask(fmt.Sprintf("Passphrase for key %s: ", id.path))
		if askErr != nil {
			return nil, fmt.Errorf("asking for the passphrase: %w", askErr)
		}
		if signer, err = ssh.ParsePrivateKeyWithPassphrase(id.encrypted, []byte(passphrase)); err == nil {
			return signer, nil
		}
	}
	return nil, fmt.Errorf("no passphrase fitted: %w", err)
}

func readPublic(path string) ssh.PublicKey {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return key
}

func readCertificate(path string) *ssh.Certificate {
	certificate, _ := readPublic(path).(*ssh.Certificate)
	return certificate
}

// lateSigner offers a locked key to the server, and asks for its passphrase only if the server wants it.
type lateSigner struct {
	id    *identity
	clock *clock
}

func (s lateSigner) PublicKey() ssh.PublicKey { return s.id.public }

func (s lateSigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm implements ssh.AlgorithmSigner. The time that a person needs to type does not count.
func (s lateSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	resume := s.clock.pause()
	signer, err := s.id.unlock(s.clock.ctx)
	resume()
	if err != nil {
		return nil, &KeyFileError{s.id.path, err, "add it to the agent: ssh-add " + s.id.path}
	}
	if byAlgorithm, ok := signer.(ssh.AlgorithmSigner); ok {
		return byAlgorithm.SignWithAlgorithm(rand, data, algorithm)
	}
	return signer.Sign(rand, data)
}
