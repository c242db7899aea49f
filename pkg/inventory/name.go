package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest node name, host name or user in bytes: what DNS allows.
const maxName = 253

// CheckName says why name cannot be the name of a node. Names stand on command lines, in globs and in file names, so they hold letters,
// digits and ". _ - : @ +" alone, and start with a letter, a digit or "_".
func CheckName(name string) error {
	return check(name, "letters, digits, or . _ - : @ +", func(r rune) bool { return word(r) || strings.ContainsRune(".-:@+", r) })
}

// CheckHost says why host cannot be the address of a node: a host name or an IP address, without user or port.
func CheckHost(host string) error {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ipv6Zone(ip)
	}
	if user, rest, ok := strings.Cut(host, "@"); ok {
		return fmt.Errorf("the user stands apart from the address: address: %s, user: %s", rest, user)
	}
	return check(host, "letters, digits, or . _ -", func(r rune) bool { return r < utf8.RuneSelf && word(r) || r == '.' || r == '-' })
}

// CheckUser says why user cannot be an SSH user. Names of a domain, DOMAIN\user and user@domain, are fine.
func CheckUser(user string) error {
	return check(user, `letters, digits, or . _ - + @ \ $`, func(r rune) bool { return word(r) || strings.ContainsRune(`.-+@\$`, r) })
}

func ipv6Zone(ip netip.Addr) error {
	if ip.Zone() == "" {
		return nil
	}
	return check(ip.Zone(), "letters, digits, or . _ -", func(r rune) bool { return word(r) || r == '.' || r == '-' })
}

func word(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func check(text, allowed string, ok func(rune) bool) error {
	if text == "" {
		return errors.New("must not be empty")
	}
	if len(text) > maxName {
		return fmt.Errorf("is longer than %d bytes", maxName)
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("%q is not UTF-8", text)
	}
	for _, r := range text {
		if !ok(r) {
			return fmt.Errorf("%q has the character %q; allowed are %s", text, r, allowed)
		}
	}
	if first, _ := utf8.DecodeRuneInString(text); !word(first) {
		return fmt.Errorf("%q starts with %q: it must start with a letter, a digit or _", text, first)
	}
	return nil
}

// checkLabel says why text cannot be an environment, a role or a zone: words that are shown and compared, but never run.
func checkLabel(text string) error {
	switch {
	case text == "":
		return errors.New("must not be empty")
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%q has a control character", text)
	case strings.ContainsRune(text, ','):
		return fmt.Errorf("%q has a comma", text)
	}
	return nil
}

// SplitAddress splits HOST, HOST:PORT, an IPv6 address, or [IPv6]:PORT; the port is 0 where none stands.
func SplitAddress(address string) (host string, port int, err error) {
	host, digits, hasPort := address, "", false
	if rest, ok := strings.CutPrefix(address, "["); ok {
		inner, after, closed := strings.Cut(rest, "]")
		ip, err := netip.ParseAddr(inner)
		if !closed || err != nil || !ip.Is6() {
			return "", 0, fmt.Errorf("%q is not [IPv6 ADDRESS]:PORT", address)
		}
		host = inner
		if digits, hasPort = strings.CutPrefix(after, ":"); !hasPort && after != "" {
			return "", 0, fmt.Errorf("%q is not [IPv6 ADDRESS]:PORT", address)
		}
	} else if colons := strings.Count(address, ":"); colons == 1 {
		host, digits, hasPort = strings.Cut(address, ":")
	} else if _, err := netip.ParseAddr(address); colons > 1 && err != nil {
		return "", 0, fmt.Errorf("%q is neither HOST:PORT nor an IPv6 address; with a port, write [ADDRESS]:PORT", address)
	}
	if hasPort {
		if port, err = ParsePort(digits); err != nil {
			return "", 0, err
		}
	}
	return host, port, CheckHost(host)
}

// ParsePort reads a port from 1 to 65535.
func ParsePort(text string) (int, error) {
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 || text[0] == '+' {
		return 0, fmt.Errorf("port %q is not a number from 1 to 65535", text)
	}
	return port, nil
}

// joinAddress is the inverse of SplitAddress.
func joinAddress(host string, port int) string {
	switch {
	case port == 0:
		return host
	case strings.Contains(host, ":"):
		return fmt.Sprintf("[%s]:%d", host, port)
	default:
		return fmt.Sprintf("%s:%d", host, port)
	}
}

// Sort puts nodes in the natural order of their names.
func Sort(nodes []Node) {
	slices.SortStableFunc(nodes, func(a, b Node) int { return CompareNames(a.Name, b.Name) })
}

// CompareNames is the natural order: numbers within names count as numbers, so that web-2 comes before web-10.
func CompareNames(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		m, n := digitsAt(x), digitsAt(y)
		if m == 0 || n == 0 {
			if c := cmp.Compare(x[0], y[0]); c != 0 {
				return c
			}
			x, y = x[1:], y[1:]
			continue
		}
		p, q := strings.TrimLeft(x[:m], "0"), strings.TrimLeft(y[:n], "0")
		if c := cmp.Or(cmp.Compare(len(p), len(q)), cmp.Compare(p, q)); c != 0 {
			return c
		}
		x, y = x[m:], y[n:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// digitsAt returns how many digits s starts with.
func digitsAt(s string) int {
	return len(s) - len(strings.TrimLeft(s, "0123456789"))
}
