package remote

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
)

const (
	// maxStdout is how much a script may print; scripts answer with facts, not with data.
	maxStdout = 16 << 20
	// headStderr and tailStderr are what is kept of standard error: how it began and how it ended.
	headStderr = 16 << 10
	tailStderr = 48 << 10
)

// output keeps what is written to it, within bounds and without secrets.
type output struct {
	mu sync.Mutex
	redactor
	head, tail []byte
	// maxHead and maxTail are in bytes; what falls between is counted as dropped.
	maxHead, maxTail int
	dropped          int
	// full is called once, when something is dropped.
	full func()
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keep(o.strike(p, false))
	return len(p), nil
}

func (o *output) keep(p []byte) {
	n := min(len(p), o.maxHead-len(o.head))
	o.head = append(o.head, p[:n]...)
	o.tail = append(o.tail, p[n:]...)
	if excess := len(o.tail) - o.maxTail; excess > 0 {
		if o.dropped == 0 && o.full != nil {
			o.full()
		}
		o.dropped += excess
		o.tail = append(o.tail[:0], o.tail[excess:]...)
	}
}

// String returns what was kept so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keep(o.strike(nil, true))
	if o.dropped == 0 {
		return string(o.head) + string(o.tail)
	}
	return fmt.Sprintf("%s\n… %d bytes left out …\n%s", o.head, o.dropped, o.tail)
}

// redactor strikes secrets out of a stream, wherever the stream is cut into writes.
type redactor struct {
	secrets [][]byte // longest first
	pending []byte   // what may be the beginning of a secret
}

func newRedactor(secrets []string) redactor {
	var r redactor
	for _, secret := range secrets {
		if secret != "" {
			r.secrets = append(r.secrets, []byte(secret))
		}
	}
	slices.SortFunc(r.secrets, func(a, b []byte) int { return len(b) - len(a) })
	return r
}

// strike returns what may be shown by now; at the end nothing is held back.
func (r *redactor) strike(p []byte, end bool) []byte {
	if len(r.secrets) == 0 {
		return p
	}
	text := append(r.pending, p...)
	var out []byte
	i := 0
	for i < len(text) {
		secret := r.at(text[i:])
		if secret == nil && !end && r.mayBegin(text[i:]) {
			break
		}
		if secret == nil {
			out = append(out, text[i])
			i++
			continue
		}
		out = append(out, "***"...)
		i += len(secret)
	}
	r.pending = append([]byte(nil), text[i:]...)
	return out
}

func (r *redactor) at(text []byte) []byte {
	for _, secret := range r.secrets {
		if bytes.HasPrefix(text, secret) {
			return secret
		}
	}
	return nil
}

func (r *redactor) mayBegin(text []byte) bool {
	return slices.ContainsFunc(r.secrets, func(secret []byte) bool { return len(text) < len(secret) && bytes.HasPrefix(secret, text) })
}
