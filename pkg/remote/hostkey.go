package remote

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

const (
	authorityMarker = "cert-authority"
	revokedMarker   = "revoked"
	certSuffix      = "-cert-v01@openssh.com"
)

// hostKeys is what is known of one server.
type hostKeys struct {
	to endpoint
	// behind is the jump host in front of it, or nil.
	behind *link
	known  *knownHosts
	// name is the one of the server's names that has entries; the first of them where none has.
	name               string
	plain, authorities []knownHost
	revoked            []knownHost
}

func (k *knownHosts) of(to endpoint, behind *link) (*hostKeys, error) {
	lines, err := k.lines(append(slices.Clone(to.userKnownHosts), to.globalKnownHosts...))
	if err != nil {
		return nil, err
	}
	names := to.knownNames()
	h := &hostKeys{to: to, behind: behind, known: k, name: names[0]}
	for _, line := range lines {
		if line.marker == revokedMarker && slices.ContainsFunc(names, line.matches) {
			h.revoked = append(h.revoked, line)
		}
	}
	for _, name := range names {
		for _, line := range lines {
			switch {
			case line.marker == revokedMarker || !line.matches(name):
			case line.marker == authorityMarker:
				h.authorities = append(h.authorities, line)
			default:
				h.plain = append(h.plain, line)
			}
		}
		if len(h.plain)+len(h.authorities) > 0 {
			h.name = name
			break
		}
	}
	return h, nil
}

// algorithms puts those first for which something is known, so that the server shows a key that can be compared. The others stay in the
// list: a server that lost the known key then fails with its new fingerprint and not with "no common algorithm".
func (h *hostKeys) algorithms() []string {
	supported := ssh.SupportedAlgorithms().HostKeys
	var first []string
	for _, algorithm := range supported {
		certificate := strings.HasSuffix(algorithm, certSuffix)
		knows := func(line knownHost) bool { return keyTypeOf(algorithm) == line.key.Type() }
		if certificate && len(h.authorities) > 0 || !certificate && slices.ContainsFunc(h.plain, knows) {
			first = append(first, algorithm)
		}
	}
	slices.SortStableFunc(supported, func(a, b string) int { // certificates say nothing without an authority; Ed25519 goes first, as in OpenSSH
		rank := func(algorithm string) int {
			switch {
			case strings.HasSuffix(algorithm, certSuffix):
				return 2
			case algorithm == ssh.KeyAlgoED25519:
				return 0
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	for _, algorithm := range supported {
		if !slices.Contains(first, algorithm) {
			first = append(first, algorithm)
		}
	}
	return first
}

// keyTypeOf is the type of the keys that sign with an algorithm, RFC 8332 section 3.
func keyTypeOf(algorithm string) string {
	switch algorithm {
	case ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512:
		return ssh.KeyAlgoRSA
	}
	return algorithm
}

// verify decides about the key that the server proved to own.
func (h *hostKeys) verify(shown ssh.PublicKey) error {
	key, certificate := shown, (*ssh.Certificate)(nil)
	if c, ok := shown.(*ssh.Certificate); ok {
		key, certificate = c.Key, c
	}
	for _, line := range h.revoked {
		if sameKey(line.key, key) || certificate != nil && sameKey(line.key, certificate.SignatureKey) {
			return h.refuse(key, "is revoked", "the key must not be trusted: find out why it was revoked, and give the node a new host key", line)
		}
	}
	if certificate != nil {
		for _, line := range h.authorities {
			if sameKey(line.key, certificate.SignatureKey) {
				return h.verifyCertificate(certificate, line)
			}
		}
	}
	for _, line := range h.plain {
		if sameKey(line.key, key) {
			return nil
		}
	}
	if len(h.plain) > 0 {
		return h.refuse(key, "changed", h.changedHint(), h.plain...)
	}
	return h.meet(key)
}

// verifyCertificate checks that the certificate is for this host, and now. Its principals may hold wildcards.
func (h *hostKeys) verifyCertificate(certificate *ssh.Certificate, authority knownHost) error {
	host := strings.TrimPrefix(h.name, "[")
	if end := strings.LastIndex(host, "]:"); end >= 0 {
		host = host[:end]
	}
	principal := host
	for _, pattern := range certificate.ValidPrincipals {
		if wildcard(strings.ToLower(pattern), strings.ToLower(host)) {
			principal = pattern
		}
	}
	err := new(ssh.CertChecker).CheckCert(principal, certificate)
	if err == nil && certificate.CertType != ssh.HostCert {
		err = fmt.Errorf("it is no host certificate")
	}
	if err != nil {
		return h.refuse(certificate.Key, "has a certificate that is not good: "+err.Error(), "sign the node's host key anew, for the name "+host, authority)
	}
	return nil
}

// meet takes or refuses a key of which nothing is known.
func (h *hostKeys) meet(key ssh.PublicKey) error {
	if h.to.strict == "yes" {
		return h.refuse(key, "is unknown", h.unknownHint(), h.authorities...)
	}
	if len(h.to.userKnownHosts) == 0 {
		return nil
	}
	err := h.known.add(h.to.userKnownHosts[0], h.name, h.to.hashKnownHosts, key)
	if h.to.strict == "no" { // whoever turned checking off needs no record either
		return nil
	}
	return err
}

func (h *hostKeys) refuse(key ssh.PublicKey, problem, hint string, known ...knownHost) *HostKeyError {
	e := &HostKeyError{Host: h.name, Problem: problem, Type: key.Type(), Fingerprint: ssh.FingerprintSHA256(key), hint: hint}
	for _, line := range known {
		e.Known = append(e.Known, fmt.Sprintf("%s (%s %s)", line.place(), line.key.Type(), ssh.FingerprintSHA256(line.key)))
	}
	return e
}

func (h *hostKeys) unknownHint() string {
	return "compare the fingerprint with the node's own (there: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then: " + h.scanCommand()
}

func (h *hostKeys) changedHint() string {
	return fmt.Sprintf("someone may be listening in; only if the node was set up anew: ssh-keygen -R '%s' -f %s && %s", h.name, h.plain[0].file, h.scanCommand())
}

// scanCommand adds the key under the name that is searched.
func (h *hostKeys) scanCommand() string {
	file := "~/.ssh/known_hosts"
	if len(h.to.userKnownHosts) > 0 {
		file = h.to.userKnownHosts[0]
	}
	command := fmt.Sprintf("ssh-keyscan -p %d %s", h.to.port, h.to.host)
	if h.behind != nil {
		command = fmt.Sprintf("ssh -p %d %s@%s %s", h.behind.to.port, h.behind.to.user, h.behind.to.host, command)
	}
	if h.to.hostKeyAlias != "" {
		command += fmt.Sprintf(" | sed 's/^[^ ]*/%s/'", h.to.hostKeyAlias)
	}
	return command + " >> " + file
}
