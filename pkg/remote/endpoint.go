package remote

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	defaultConnectTimeout = 10 * time.Second
	defaultKeepAlive      = 15 * time.Second
	defaultKeepAliveMax   = 3
)

// endpoint is one SSH server and how to reach it, after ssh_config, rollpin.yaml and the inventory have had their say.
type endpoint struct {
	// name is what people call it, host what is dialled.
	name, host string
	port       int
	user       string
	network    string // tcp, tcp4 or tcp6
	jumps      []string

	hostKeyAlias     string
	strict           string // yes, accept-new or no
	userKnownHosts   []string
	globalKnownHosts []string
	hashKnownHosts   bool

	identities     []identityFile
	certificates   []string
	identitiesOnly bool
	agent          string // the agent's socket; empty for none

	connectTimeout time.Duration
	keepAlive      time.Duration // 0 for never
	keepAliveMax   int
}

// identityFile is a private key that may be tried.
type identityFile struct {
	path string
	// origin says who named it; a file that rollpin.yaml names must be usable, one of OpenSSH's default names need not exist.
	origin origin
}

type origin int

const (
	byRollpin origin = iota
	bySSHConfig
	byDefault
)

func (e endpoint) address() string { return net.JoinHostPort(e.host, strconv.Itoa(e.port)) }

// endpoint looks q up. For a jump host the port is its own, or 0.
func (d *Dialer) endpoint(q query, port int, jump bool) (endpoint, error) {
	q.localUser = d.localUser
	found, err := d.config.lookup(q)
	if err != nil {
		return endpoint{}, err
	}
	e := endpoint{name: q.name, host: q.address, port: port, user: q.user, network: "tcp"}
	if hostName, ok := found.first["hostname"]; ok && len(hostName.args) > 0 {
		e.host = hostName.hostName(q)
	}
	e.user = cmp.Or(e.user, found.text("user"), d.localUser)
	if e.port == 0 {
		if e.port, err = found.number("port", 1, 65535); err != nil {
			return e, err
		}
	}
	e.port = cmp.Or(e.port, 22)
	switch found.text("addressfamily") {
	case "inet":
		e.network = "tcp4"
	case "inet6":
		e.network = "tcp6"
	}
	for _, step := range []func(*endpoint, *answers, query) error{refuseUnsupported, d.setTimes, d.setHostKeys, d.setIdentities} {
		if err := step(&e, found, q); err != nil {
			return e, err
		}
	}
	return e, d.setJumps(&e, found, q, jump)
}

// refuseUnsupported stops on what would lead elsewhere or check less if it were ignored.
func refuseUnsupported(_ *endpoint, found *answers, _ query) error {
	for keyword, fix := range map[string]string{
		"revokedhostkeys": "mark the keys @revoked in known_hosts instead",
		"bindaddress":     "leave it out for this host, and let the machine's routes decide",
		"bindinterface":   "leave it out for this host, and let the machine's routes decide",
	} {
		if text := found.text(keyword); text != "" && text != "none" {
			return &ConfigError{Place: found.first[keyword].place, Problem: found.first[keyword].keyword + " is not supported", Fix: fix}
		}
	}
	return nil
}

func (d *Dialer) setTimes(e *endpoint, found *answers, _ query) error {
	timeout, err := found.span("connecttimeout")
	if err != nil {
		return err
	}
	e.connectTimeout = cmp.Or(d.options.SSH.ConnectTimeout, timeout, defaultConnectTimeout)
	interval, err := found.span("serveraliveinterval")
	if err != nil {
		return err
	}
	e.keepAlive = cmp.Or(d.options.SSH.KeepAlive, interval)
	if _, given := found.first["serveraliveinterval"]; e.keepAlive == 0 && !given {
		e.keepAlive = defaultKeepAlive
	}
	count, err := found.number("serveralivecountmax", 1, 1000)
	e.keepAliveMax = cmp.Or(count, defaultKeepAliveMax)
	return err
}

func (d *Dialer) setHostKeys(e *endpoint, found *answers, q query) error {
	var err error
	if e.hostKeyAlias, err = d.expand(found.text("hostkeyalias"), *e, q); err != nil {
		return err
	}
	strict := found.first["stricthostkeychecking"]
	switch text := strings.ToLower(found.text("stricthostkeychecking")); text {
	case "", "yes", "ask", "true": // there is nobody to ask in a deployment: the error says what to type
		e.strict = "yes"
	case "accept-new":
		e.strict = "accept-new"
	case "no", "off", "false":
		e.strict = "no"
	default:
		return &ConfigError{Place: strict.place, Problem: fmt.Sprintf("StrictHostKeyChecking is %q, want yes, accept-new or no", text)}
	}
	e.hashKnownHosts = found.text("hashknownhosts") == "yes"
	user := found.first["userknownhostsfile"].args
	if len(user) == 0 {
		user = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}
	}
	global := found.first["globalknownhostsfile"].args
	if len(global) == 0 {
		global = []string{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}
	}
	if e.userKnownHosts, err = d.expandAll(user, *e, q); err != nil {
		return err
	}
	if len(d.options.SSH.KnownHosts) > 0 {
		e.userKnownHosts = nil
		for _, path := range d.options.SSH.KnownHosts {
			e.userKnownHosts = append(e.userKnownHosts, expandHome(path, d.home))
		}
	}
	e.globalKnownHosts, err = d.expandAll(global, *e, q)
	return err
}

func (d *Dialer) setIdentities(e *endpoint, found *answers, q query) error {
	for _, path := range d.options.SSH.IdentityFiles {
		e.identities = append(e.identities, identityFile{expandHome(path, d.home), byRollpin})
	}
	named, err := d.expandAll(found.lists["identityfile"], *e, q)
	if err != nil {
		return err
	}
	for _, path := range named {
		e.identities = append(e.identities, identityFile{path, bySSHConfig})
	}
	if len(e.identities) == 0 && len(found.lists["identityfile"]) == 0 {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa", "id_ecdsa_sk", "id_ed25519_sk"} {
			e.identities = append(e.identities, identityFile{filepath.Join(d.home, ".ssh", name), byDefault})
		}
	}
	if e.certificates, err = d.expandAll(found.lists["certificatefile"], *e, q); err != nil {
		return err
	}
	e.identitiesOnly = found.text("identitiesonly") == "yes"
	e.agent, err = d.agentSocket(found.text("identityagent"), *e, q)
	return err
}

// agentSocket reads IdentityAgent: none, SSH_AUTH_SOCK, $VARIABLE or a path.
func (d *Dialer) agentSocket(text string, e endpoint, q query) (string, error) {
	name, variable := strings.CutPrefix(text, "$")
	switch {
	case text == "none":
		return "", nil
	case text == "" || text == "SSH_AUTH_SOCK":
		return d.getenv("SSH_AUTH_SOCK"), nil
	case variable && !strings.HasPrefix(name, "{"):
		return d.getenv(name), nil
	}
	return d.expand(text, e, q)
}

// setJumps decides the way: rollpin.yaml's for nodes, else whichever of ProxyJump and ProxyCommand stands first.
func (d *Dialer) setJumps(e *endpoint, found *answers, q query, jump bool) error {
	text := ""
	if !jump {
		text = d.options.SSH.ProxyJump
	}
	if text == "" {
		text = found.text("proxyjump")
		command, given := found.first["proxycommand"]
		if given && found.text("proxycommand") != "none" && (text == "" || command.rank < found.first["proxyjump"].rank) {
			return &ConfigError{Place: command.place, Problem: "ProxyCommand is not supported",
				Fix: "use ProxyJump, or override it in rollpin.yaml: ssh.proxy_jump"}
		}
	}
	if text == "" || strings.EqualFold(text, "none") {
		return nil
	}
	for spec := range strings.SplitSeq(text, ",") {
		spec, err := d.expandTokens(strings.TrimSpace(spec), *e, q)
		if err != nil {
			return err
		}
		e.jumps = append(e.jumps, spec)
	}
	return nil
}

func (d *Dialer) expandAll(texts []string, e endpoint, q query) ([]string, error) {
	var all []string
	for _, text := range texts {
		if text == "none" {
			continue
		}
		path, err := d.expand(text, e, q)
		if err != nil {
			return nil, err
		}
		all = append(all, path)
	}
	return all, nil
}

// expand replaces ~, ${VARIABLE} and the % tokens of ssh_config(5).
func (d *Dialer) expand(text string, e endpoint, q query) (string, error) {
	text = expandHome(text, d.home)
	for {
		before, rest, ok := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			break
		}
		value := d.getenv(name)
		if value == "" {
			return "", &ConfigError{Problem: fmt.Sprintf("ssh_config uses ${%s}, which is not set", name)}
		}
		text = before + value + after
	}
	return d.expandTokens(text, e, q)
}

func (d *Dialer) expandTokens(text string, e endpoint, q query) (string, error) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			out.WriteByte(text[i])
			continue
		}
		i++
		token := byte(0)
		if i < len(text) {
			token = text[i]
		}
		switch token {
		case '%':
			out.WriteByte('%')
		case 'h':
			out.WriteString(e.host)
		case 'n':
			out.WriteString(q.name)
		case 'p':
			out.WriteString(strconv.Itoa(e.port))
		case 'r':
			out.WriteString(e.user)
		case 'u':
			out.WriteString(d.localUser)
		case 'd':
			out.WriteString(d.home)
		case 'i':
			out.WriteString(strconv.Itoa(os.Getuid()))
		case 'k':
			out.WriteString(cmp.Or(e.hostKeyAlias, q.name))
		default:
			return "", &ConfigError{Problem: fmt.Sprintf("ssh_config: %q uses a %% token that rollpin does not know", text),
				Fix: "known are %% %h %n %p %r %u %d %i %k"}
		}
	}
	return out.String(), nil
}
