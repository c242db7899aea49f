package config

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	checkKinds  = []string{"http", "tcp", "command", "systemd"}
	versionForm = regexp.MustCompile(`^(body|header:[A-Za-z0-9-]+|json:[^.\s]+(\.[^.\s]+)*)$`)
	headerForm  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
)

const healthForms = "none, a URL, tcp:HOST:PORT, command:LINE, systemd:UNIT, a mapping, or a list of these"

// healthSettings is health as it is written: one check among the settings of all, or a list of them.
type healthSettings struct {
	Check  Check
	Health Health
}

// healthKeys reads one check with passes, interval and timeout beside it; a list of checks under checks; or, short, the list alone.
func healthKeys() kind[Health] {
	of := func(s *healthSettings) *Health { return &s.Health }
	fields := append(
		within(func(s *healthSettings) *Check { return &s.Check }, owned("check", checkFields()...)...),
		within(of,
			key("checks", several("at least one check, or none", checkKeys()), func(h *Health) *[]Check { return &h.Checks }),
			key("passes", integer(1, 1000), func(h *Health) *int { return &h.Passes }),
			key("interval", duration(100*time.Millisecond, time.Hour), func(h *Health) *time.Duration { return &h.Interval }),
			key("timeout", duration(time.Second, 24*time.Hour), func(h *Health) *time.Duration { return &h.Timeout }),
		)...)
	settings := object("health", fields...).choice(append(slices.Clone(checkKinds), "checks")...).then(func(r *reader, t *tree, s *healthSettings) {
		if s.Check.Kind != "" {
			s.Health.Checks = []Check{s.Check}
		}
		r.checkHTTPOnly(t, s.Check.Kind)
		r.checkDeadline(t, s.Health)
	})
	k := kind[Health]{settings.shape, func(r *reader, t *tree, into *Health) {
		s := healthSettings{Health: *into}
		settings.read(r, t, &s)
		*into = s.Health
	}}
	items := checkKeys().shape
	return k.short(healthForms, expandHealth, shape{scalar: map[string]any{"type": "string"}}, shape{items: &items}).or("none", defaultHealth())
}

func defaultHealth() Health { return Health{Passes: 3, Interval: time.Second, Timeout: time.Minute} }

// expandHealth turns a list into {checks: LIST} and a scalar into the mapping of one check.
func expandHealth(t *tree) *tree {
	if t != nil && t.kind == list {
		return &tree{place: t.place, kind: mapping, entries: []entry{{"checks", t.place, t}}}
	}
	return expandCheck(t)
}

func expandCheck(t *tree) *tree {
	if t != nil && t.kind == scalar && (strings.HasPrefix(t.text, "http:") || strings.HasPrefix(t.text, "https:")) {
		return single(t, "http", t.text)
	}
	return prefixed(t, checkKinds)
}

func checkKeys() kind[Check] {
	return object("check", checkFields()...).choice(checkKinds...).then(func(r *reader, t *tree, c *Check) {
		r.checkHTTPOnly(t, c.Kind)
	}).short("a URL, tcp:HOST:PORT, command:LINE, systemd:UNIT or a mapping", expandCheck, shape{scalar: map[string]any{"type": "string"}})
}

func checkFields() []field[Check] {
	as := func(name string, value kind[string]) field[Check] {
		return key(name, value, func(c *Check) *string { c.Kind = name; return &c.Target })
	}
	headers := named(matching("the name of a header", headerForm), text("text", func(string) bool { return true }), "")
	return []field[Check]{
		as("http", webURL("http://127.0.0.1:8080/healthz", "ask an address that needs no password, or use command")),
		as("tcp", hostPort()),
		as("command", line("a shell line")),
		as("systemd", token("a unit such as api.service")),
		key("expect", expectKeys(), func(c *Check) *Expect { return &c.Expect }),
		key("headers", headers, func(c *Check) *map[string]string { return &c.Headers }),
		key("insecure", boolean(), func(c *Check) *bool { return &c.Insecure }),
		key("server_name", token("a host name"), func(c *Check) *string { return &c.ServerName }),
		key("ca_file", localPath("a file of certificates"), func(c *Check) *string { return &c.CAFile }),
	}
}

func expectKeys() kind[Expect] {
	body := plain("some text", map[string]any{"type": "string", "minLength": 1}, func(text string) (string, error) {
		if text == "" || strings.ContainsRune(text, 0) {
			return "", errUnexpected
		}
		return text, nil
	}, "!!str")
	return object("expect",
		key("status", integer(http.StatusContinue, 599), func(e *Expect) *int { return &e.Status }),
		key("body", body, func(e *Expect) *string { return &e.Body }),
		key("version", matching("json:FIELD.SUBFIELD, header:NAME or body", versionForm), func(e *Expect) *string { return &e.Version }),
	)
}

// checkHTTPOnly reports the keys that only an http check can have.
func (r *reader) checkHTTPOnly(t *tree, kind string) {
	for _, name := range []string{"expect", "headers", "insecure", "server_name", "ca_file"} {
		if found := t.get(name); found != nil && kind != "http" {
			r.fail(found, "is for http checks only")
		}
	}
}

// checkDeadline sees that the passes fit before the deadline: the first round may be asked at once, each other after an interval.
func (r *reader) checkDeadline(t *tree, h Health) {
	if least := time.Duration(h.Passes-1) * h.Interval; h.Timeout <= least {
		r.fail(t.first("timeout", "interval", "passes"), fmt.Sprintf(
			"the deadlines are in the wrong order: %d passes, %s apart, take %s, and timeout is %s; expected a longer timeout",
			h.Passes, shortDuration(h.Interval), shortDuration(least), shortDuration(h.Timeout)))
	}
}
