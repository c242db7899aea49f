package remote

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// maxJumps bounds a route, so that jump hosts that lead to each other end in an error.
const maxJumps = 8

// route returns the link to the last of the jump hosts, or nil where there is none. The first of them is reached by its own ssh_config's
// route, each later one through the one before it. Links to jump hosts are shared. The addresses in seen lie ahead on the route.
func (d *Dialer) route(jumps []string, seen []string) (*link, error) {
	var via *link
	for i, spec := range jumps {
		to, err := d.jumpHost(spec)
		if err != nil {
			return nil, err
		}
		if i == 0 && slices.Contains(seen, to.address()) {
			if to.address() == seen[len(seen)-1] {
				return nil, nil // "Host *" with a ProxyJump matches the jump host itself: OpenSSH too goes there directly
			}
			return nil, &ConfigError{Problem: fmt.Sprintf("ProxyJump leads in a circle at %s", spec), Fix: "set ProxyJump none for one of the hosts in ssh_config"}
		}
		if len(seen) > maxJumps {
			return nil, &ConfigError{Problem: fmt.Sprintf("more than %d jump hosts", maxJumps)}
		}
		if i == 0 {
			if via, err = d.route(to.jumps, append(slices.Clone(seen), to.address())); err != nil {
				return nil, err
			}
		}
		via = d.jumpLink(to, via)
	}
	return via, nil
}

func (d *Dialer) jumpLink(to endpoint, via *link) *link {
	key := to.user + "@" + to.address()
	if via != nil {
		key += fmt.Sprintf(" via %p", via)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, ok := d.jumps[key]; ok {
		return l
	}
	l := &link{dialer: d, to: to, via: via}
	d.jumps[key] = l
	d.links = append(d.links, l)
	return l
}

// jumpHost reads [ssh://][user@]host[:port] and looks the host up in ssh_config.
func (d *Dialer) jumpHost(spec string) (endpoint, error) {
	user, host, port, err := parseJump(spec)
	if err != nil {
		return endpoint{}, err
	}
	to, err := d.endpoint(query{name: host, address: host, user: user}, port, true)
	if err != nil {
		return to, fmt.Errorf("jump host %s: %w", spec, err)
	}
	return to, nil
}

func parseJump(spec string) (user, host string, port int, err error) {
	rest := strings.TrimSuffix(strings.TrimPrefix(spec, "ssh://"), "/")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, rest = rest[:at], rest[at+1:]
	}
	host = rest
	if strings.HasPrefix(rest, "[") || strings.Count(rest, ":") == 1 {
		h, p, splitErr := net.SplitHostPort(rest)
		if splitErr == nil {
			host = h
			port, err = strconv.Atoi(p)
		}
	}
	host = strings.Trim(host, "[]")
	if err != nil || host == "" || port < 0 || port > 65535 || strings.ContainsAny(host, " \t'\"/") {
		return "", "", 0, &ConfigError{Problem: fmt.Sprintf("%q is no jump host", spec), Fix: "write [user@]host[:port]"}
	}
	return user, host, port, nil
}
