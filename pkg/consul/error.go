package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Error says why Consul could not be asked or what it answered.
type Error struct {
	text, hint string
	err        error
}

// Error names the agent, what was asked, and what went wrong.
func (e *Error) Error() string { return e.text }

// Hint is what to set or to type, or "".
func (e *Error) Hint() string { return e.hint }

// Unwrap returns the cause, which may be nil.
func (e *Error) Unwrap() error { return e.err }

// policy is the smallest ACL policy that discovery needs: nodes are read in every way, services in one.
func policy(match string) string {
	const nodes, services = `node_prefix "" { policy = "read" }`, `service_prefix "" { policy = "read" }`
	if match == "service" {
		return nodes + " " + services
	}
	return nodes
}

// failed explains the error of one request, which could take as long as limit.
func (a agent) failed(ctx context.Context, doing string, err error, limit time.Duration) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", a, context.Cause(ctx))
	}
	text, hint := a.explain(err, limit)
	return &Error{text: fmt.Sprintf("%s: %s: %s", a, doing, text), hint: hint, err: err}
}

func (a agent) explain(err error, limit time.Duration) (text, hint string) {
	var status api.StatusError
	var wrapped *url.Error
	var dial *net.OpError
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL, which repeats the address and all parameters
	}
	text = oneLine(err.Error())
	switch {
	case errors.As(err, &status):
		return a.explainStatus(status)
	case errors.As(err, &dial) && dial.Op == "dial":
		return text, "is a Consul agent running there? Set CONSUL_HTTP_ADDR, or " + a.instead
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s", limit),
			"check CONSUL_HTTP_ADDR; servers without a leader may be silent, too: consul operator raft list-peers; or " + a.instead
	case strings.Contains(text, "HTTP response to HTTPS client"):
		return text, "this port speaks plain HTTP: set CONSUL_HTTP_SSL=false and CONSUL_HTTP_ADDR=http://HOST:PORT"
	case strings.Contains(text, "x509:"):
		return text, "name the authority that signed Consul's certificate: CONSUL_CACERT=FILE"
	case strings.HasPrefix(text, "invalid character"), strings.HasPrefix(text, "json:"):
		return "the answer is not Consul's: " + text, "check CONSUL_HTTP_ADDR"
	}
	return text, ""
}

func (a agent) explainStatus(status api.StatusError) (text, hint string) {
	body := excerpt(status.Body)
	switch {
	case status.Code == http.StatusForbidden && strings.Contains(body, "not found"):
		return "the token is unknown (" + body + ")", "set CONSUL_HTTP_TOKEN to a token of this datacenter"
	case status.Code == http.StatusForbidden:
		return "permission denied (" + body + ")", a.tokenHint() + "; or " + a.instead
	case strings.Contains(body, "HTTP request to an HTTPS server"):
		return body, "this port speaks TLS: set CONSUL_HTTP_SSL=true"
	case strings.Contains(body, "No path to datacenter"):
		return fmt.Sprintf("datacenter %q is unknown", a.datacenter), "consul catalog datacenters"
	case leaderless(status):
		return body, "its servers have no leader; see: consul operator raft list-peers; or " + a.instead
	}
	return fmt.Sprintf("status %d: %s", status.Code, body), ""
}

// excerpt makes an answer fit for an error.
func excerpt(body string) string {
	body = oneLine(body)
	if len(body) > 300 {
		body = strings.ToValidUTF8(body[:300], "") + "…"
	}
	return body
}

func (a agent) tokenHint() string {
	if a.hasToken {
		return "the token needs: " + a.policy
	}
	return "set CONSUL_HTTP_TOKEN to a token that has: " + a.policy
}

// leaderless tells whether Consul may answer a request that allows stale data. Without a quorum, agents fall silent as often as they say so;
// between the end of a leader and the next election, servers pass the error of their call to the old one on.
func leaderless(err error) bool {
	var status api.StatusError
	if errors.As(err, &status) {
		return status.Code == http.StatusInternalServerError &&
			(strings.Contains(status.Body, "No cluster leader") || strings.HasPrefix(status.Body, "rpc error"))
	}
	var dial *net.OpError
	return errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &dial)
}
