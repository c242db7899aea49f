package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/rollpin/rollpin/pkg/config"
)

// errNeedsTTY is sudo's "requiretty".
var errNeedsTTY = errors.New("sudo needs a terminal")

// unixUser is a portable user name, or #UID as sudo takes it. Nothing in it means anything to any shell in single quotes.
var unixUser = regexp.MustCompile(`^(#[0-9]+|[A-Za-z_][A-Za-z0-9_.@-]*\$?)$`)

func becomeUser(c config.SSH) (string, error) {
	switch {
	case c.Become == "":
		return "", nil
	case c.Become != "sudo":
		return "", &ConfigError{Problem: fmt.Sprintf("ssh.become is %q", c.Become), Fix: "write sudo, or leave it out"}
	case c.BecomeUser == "":
		return "root", nil
	case !unixUser.MatchString(c.BecomeUser):
		return "", &ConfigError{Problem: fmt.Sprintf("ssh.become_user %q is no user name", c.BecomeUser)}
	}
	return c.BecomeUser, nil
}

// becoming is the talk with sudo before the script is sent. The password goes over only when sudo asks for it, the script only when the
// shell behind sudo says that it is ready for it.
type becoming struct {
	node     *Node
	run      *execution
	password string
	prompt   string
	stdout   *hearing
	stderr   *hearing
	prompts  chan struct{}
	ready    chan struct{}
}

func newBecoming(n *Node, e *execution) *becoming {
	b := &becoming{node: n, run: e, password: n.dialer.options.BecomePassword, prompt: "[rollpin-" + e.nonce + "]"}
	b.prompts, b.ready = make(chan struct{}, 8), make(chan struct{})
	prompted := func() {
		select {
		case b.prompts <- struct{}{}:
		default:
		}
	}
	b.stdout = &hearing{to: e.stdout, prompt: b.prompt, start: "ready-" + e.nonce, prompted: prompted, started: func() { close(b.ready) }}
	b.stderr = &hearing{to: e.stderr, prompt: b.prompt, start: "begin-" + e.nonce, prompted: prompted}
	return b
}

// command puts sudo before the shell. Its messages are asked for in English, because a refusal is told by its words alone.
func (b *becoming) command(shell string) string {
	how := "-n"
	if b.password != "" {
		how = "-S -p " + "'" + b.prompt + "'"
	}
	begin := "sh -c 'printf begin-" + b.run.nonce + " >&2; printf ready-" + b.run.nonce + "; "
	return "exec env LC_MESSAGES=C sudo -k " + how + " -u '" + b.node.dialer.become + "' -- " + begin + strings.TrimPrefix(shell, "exec sh -c '")
}

// converse talks until the script is sent.
func (b *becoming) converse(ctx context.Context) error {
	patience := b.run.conn.to.connectTimeout
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for asked := false; ; {
		select {
		case <-b.ready:
			b.run.send()
			return nil
		case <-b.prompts:
			if asked {
				return b.refused("the password is wrong", wrongPasswordFix)
			}
			asked = true
			timer.Reset(patience)
			go func() { _, _ = b.run.stdin.Write([]byte(b.password + "\n")) }()
		case err := <-b.run.ended:
			return b.explain(ctx, err)
		case <-ctx.Done():
			return fmt.Errorf("%s: script %s: %w", b.node.name, b.run.script.Name, context.Cause(ctx))
		case <-timer.C:
			return b.refused(fmt.Sprintf("sudo neither asked for a password nor began within %s; it said %q", patience, b.said()),
				"try on the node: sudo -k -u "+b.node.dialer.become+" true")
		}
	}
}

const wrongPasswordFix = "correct the password that ssh.become_password_env or ssh.become_password_file names"

// explain tells why sudo ended before the script began.
func (b *becoming) explain(ctx context.Context, err error) error {
	said := b.said()
	user := b.run.conn.to.user
	for _, refusal := range []struct {
		words       []string
		reason, fix string
	}{
		{[]string{"incorrect password", "try again"}, "the password is wrong", wrongPasswordFix},
		{[]string{"password is required", "no password was provided"}, "sudo asks " + user + " for a password, and there is none",
			"set ssh.become_password_env or ssh.become_password_file, or allow it without: " + user + " ALL=(ALL) NOPASSWD: ALL in /etc/sudoers.d"},
		{[]string{"not in the sudoers", "not allowed to", "may not run sudo"}, user + " is not allowed to do that by sudo",
			"add to /etc/sudoers.d on the node: " + user + " ALL=(ALL) NOPASSWD: ALL"},
		{[]string{"unknown user"}, "there is no such user on the node", "correct ssh.become_user"},
	} {
		for _, words := range refusal.words {
			if strings.Contains(said, words) {
				return b.refused(refusal.reason, refusal.fix)
			}
		}
	}
	if strings.Contains(said, "must have a tty") {
		return errNeedsTTY
	}
	var exit *ssh.ExitError
	if errors.As(err, &exit) && exit.ExitStatus() == 127 { // env found no sudo, and says so in its own language
		return b.refused("sudo is not installed there", "install it, or log in as "+b.node.dialer.become+" (ssh.user) and leave ssh.become out")
	}
	if failure := b.run.failure(ctx, b.node.name, err); b.run.conn.ended() {
		return failure
	}
	return b.refused(fmt.Sprintf("sudo ended at once; it said %q", said), "try on the node: sudo -k -u "+b.node.dialer.become+" true")
}

func (b *becoming) refused(reason, fix string) *BecomeError {
	return &BecomeError{Node: b.node.name, User: b.node.dialer.become, Reason: reason, Fix: fix}
}

// said is what came before the script, without the prompt and the password.
func (b *becoming) said() string {
	strike := newRedactor([]string{b.password, b.prompt})
	return strings.TrimSpace(string(strike.strike([]byte(b.stderr.text()+b.stdout.text()), true)))
}

// maxHeard bounds what is kept of the talk before the script.
const maxHeard = 64 << 10

// hearing is one stream of the session: the talk with sudo until the mark start, the script's output from then on.
type hearing struct {
	to                *output
	prompt, start     string
	prompted, started func()

	mu    sync.Mutex
	heard []byte
	begun bool
	from  int // where the search for the next prompt goes on
}

func (h *hearing) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.begun {
		return h.to.Write(p)
	}
	h.heard = append(h.heard, p...)
	if before, after, ok := bytes.Cut(h.heard, []byte(h.start)); ok {
		h.begun = true
		h.heard = before
		if h.started != nil {
			h.started()
		}
		_, err := h.to.Write(after)
		return len(p), err
	}
	for {
		at := bytes.Index(h.heard[h.from:], []byte(h.prompt))
		if at < 0 {
			break
		}
		h.from += at + len(h.prompt)
		h.prompted()
	}
	if excess := len(h.heard) - maxHeard; excess > 0 {
		h.heard = h.heard[excess:]
		h.from = max(0, h.from-excess)
	}
	return len(p), nil
}

func (h *hearing) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.heard)
}
