package remote

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// query is who asks ssh_config: a node under its name and its address. A pattern applies if it matches either, so that both
// "Host web-1" and "Host 10.0.0.*" serve the node web-1 at 10.0.0.5; as in ssh the first value in the files wins.
type query struct {
	name, address string
	// user is the user that rollpin.yaml, the inventory or a jump host's own text asks for; it may be empty.
	user      string
	localUser string
}

// answers are the settings that apply to one query.
type answers struct {
	first map[string]answer
	// lists holds every value of the keywords that may be given several times.
	lists map[string][]string
}

type answer struct {
	setting
	// host is the name or address that the block's pattern matched.
	host string
	rank int
}

// lookup collects what applies to q. Match exec and other criteria that cannot be decided here are errors where they would decide.
func (c sshConfig) lookup(q query) (*answers, error) {
	found := &answers{first: map[string]answer{}, lists: map[string][]string{}}
	final, err := c.pass(q, found, false)
	if err == nil && final {
		_, err = c.pass(q, found, true) // "Match final" asks for a second look with the results of the first
	}
	return found, err
}

func (c sshConfig) pass(q query, found *answers, final bool) (sawFinal bool, err error) {
	for _, b := range c {
		host, applies := q.name, true
		for _, condition := range b.conditions {
			sawFinal = sawFinal || condition.kind == "final"
			matched, holds, err := condition.holds(q, found, final)
			if err != nil {
				return false, err
			}
			if holds == condition.negated {
				applies = false
				break
			}
			if matched != "" {
				host = matched
			}
		}
		if applies {
			found.take(b.settings, host)
		}
	}
	return sawFinal, nil
}

func (a *answers) take(settings []setting, host string) {
	for _, s := range settings {
		switch s.keyword {
		case "identityfile", "certificatefile":
			for _, arg := range s.args {
				if !slices.Contains(a.lists[s.keyword], arg) {
					a.lists[s.keyword] = append(a.lists[s.keyword], arg)
				}
			}
		default:
			if _, ok := a.first[s.keyword]; !ok {
				a.first[s.keyword] = answer{setting: s, host: host, rank: len(a.first)}
			}
		}
	}
}

// holds decides one condition and tells which name of the node matched.
func (c condition) holds(q query, found *answers, final bool) (matched string, holds bool, err error) {
	switch c.kind {
	case "hostline", "originalhost":
		matched, holds = matchList(c.patterns, q.name, q.address)
	case "host":
		names := []string{q.name, q.address}
		if hostName, ok := found.first["hostname"]; ok {
			names = []string{hostName.hostName(q)}
		}
		matched, holds = matchList(c.patterns, names...)
	case "user":
		user := q.user
		if user == "" {
			user = found.text("user")
		}
		if user == "" {
			user = q.localUser
		}
		_, holds = matchList(c.patterns, user)
	case "localuser":
		_, holds = matchList(c.patterns, q.localUser)
	case "all":
		holds = true
	case "final":
		holds = final
	case "canonical": // no host name is made canonical here
	default:
		return "", false, &ConfigError{Place: c.place, Problem: fmt.Sprintf("Match %s cannot be decided by rollpin", c.kind),
			Fix: "write the hosts into a Host line, or give rollpin a file of its own: ssh.config_file in rollpin.yaml"}
	}
	return matched, holds, nil
}

// hostName is the value of HostName, where %h is the name that the block matched.
func (a answer) hostName(q query) string {
	host := a.host
	if host == "" {
		host = q.address
	}
	return strings.NewReplacer("%%", "%", "%h", host).Replace(a.args[0])
}

// text returns the only value of a keyword, or "".
func (a *answers) text(keyword string) string {
	if found := a.first[keyword]; len(found.args) > 0 {
		return found.args[0]
	}
	return ""
}

// number returns a keyword's number in the given range, or 0.
func (a *answers) number(keyword string, from, to int) (int, error) {
	text := a.text(keyword)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < from || n > to {
		return 0, &ConfigError{Place: a.first[keyword].place, Problem: fmt.Sprintf("%s is %q, want a number from %d to %d", keyword, text, from, to)}
	}
	return n, nil
}

// span returns a keyword's time in sshd_config(5)'s TIME FORMATS, such as 30, 90s or 1m30s; 0 for "none" and for no value.
func (a *answers) span(keyword string) (time.Duration, error) {
	text := strings.ToLower(a.text(keyword))
	if text == "" || text == "none" {
		return 0, nil
	}
	var total time.Duration
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	for rest := text; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseUint(rest[:digits], 10, 31)
		unit := time.Second
		if digits < len(rest) {
			unit = units[rest[digits]]
			digits++
		}
		rest = rest[digits:]
		total += time.Duration(n) * unit
		if err != nil || unit == 0 || total > 365*24*time.Hour {
			return 0, &ConfigError{Place: a.first[keyword].place, Problem: fmt.Sprintf("%s is %q, want a time such as 10 or 1m30s", keyword, text)}
		}
	}
	return total, nil
}

// matchList finds the first candidate that a pattern matches; a negated pattern that matches any candidate rules out all.
func matchList(patterns []string, candidates ...string) (string, bool) {
	matched, ok := "", false
	for _, candidate := range candidates {
		for _, pattern := range patterns {
			pattern, negated := strings.CutPrefix(pattern, "!")
			if candidate == "" || !wildcard(strings.ToLower(pattern), strings.ToLower(candidate)) {
				continue
			}
			if negated {
				return "", false
			}
			if !ok {
				matched, ok = candidate, true
			}
		}
	}
	return matched, ok
}

// wildcard matches * for any characters and ? for one, as ssh_config(5) and known_hosts do.
func wildcard(pattern, text string) bool {
	star, mark, p, t := -1, 0, 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
