package config

import (
	"net"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// nodePath is the directory of a service on a node.
func nodePath() kind[string] {
	const want = "an absolute path on the node such as /srv/api, or one under the home such as ~/api"
	schema := map[string]any{"type": "string", "pattern": "^(~/|/)[^/]"}
	return plain(want, schema, func(text string) (string, error) {
		rest, inHome := strings.CutPrefix(text, "~/")
		switch {
		case hasControl(text):
			return "", controlRefused(want, text)
		case !inHome && !path.IsAbs(text):
			return "", errUnexpected
		case slices.Contains(strings.Split(text, "/"), ".."):
			return "", &refusal{text: "expected a path without .., got " + strconv.Quote(abridged(text))}
		case path.Clean("/"+rest) == "/":
			return "", &refusal{text: "expected a directory of the service's own, got " + strconv.Quote(abridged(text))}
		}
		return path.Clean(text), nil
	}, "!!str")
}

// localPath is a file on the machine that runs rollpin: relative to the configuration file or, for a flag, to the working directory.
func localPath(want string) kind[string] {
	k := text(want, func(s string) bool { return s != "" })
	return kind[string]{k.shape, func(r *reader, t *tree, into *string) {
		var name string
		if k.read(r, t, &name); name != "" {
			*into = r.local(t, name)
		}
	}}
}

// local finds a file: ~ is the home; relative paths in the file are relative to its directory.
func (r *reader) local(t *tree, name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok && r.home != "" {
		return filepath.Join(r.home, rest)
	}
	if t.place.Flag != "" || name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.dir, name)
}

// webURL is an http or https URL without credentials; hint says where credentials go.
func webURL(example, hint string) kind[string] {
	schema := map[string]any{"type": "string", "format": "uri", "pattern": "^https?://[^/?#@]+([/?#].*)?$"}
	want := "a URL such as " + example
	return plain(want, schema, func(text string) (string, error) {
		u, err := url.Parse(text)
		switch {
		case hasCredentials(text):
			return "", &refusal{"expected a URL without a user name and password in it", hint}
		case err == nil && u.RawQuery != "" && strings.Contains(hint, "index_auth"):
			return "", &refusal{"expected a URL without a query, which may hold a token", hint}
		case err != nil || hasControl(text) || strings.ContainsFunc(text, unicode.IsSpace):
			return "", errUnexpected
		case u.Scheme != "http" && u.Scheme != "https":
			return "", &refusal{text: "expected a URL that begins with http:// or https://, got " + strconv.Quote(abridged(text))}
		case u.Hostname() == "":
			return "", &refusal{text: "expected a URL with a host, such as " + example + ", got " + strconv.Quote(abridged(text))}
		case u.Port() != "" && !isPort(u.Port()):
			return "", &refusal{text: "expected a URL with a port from 1 to 65535, got " + strconv.Quote(abridged(text))}
		}
		return text, nil
	}, "!!str")
}

// hasCredentials is true for an @ before the path, however broken the rest of the URL is: such a text is never shown.
func hasCredentials(text string) bool {
	_, rest, found := strings.Cut(text, "//")
	if !found {
		rest = text
	}
	authority, _, _ := strings.Cut(rest, "/")
	return strings.Contains(authority, "@") || !found && strings.Contains(text, "@")
}

// hostPort is an address to connect to.
func hostPort() kind[string] {
	return text("HOST:PORT such as 127.0.0.1:8080", func(s string) bool {
		host, port, err := net.SplitHostPort(s)
		return err == nil && host != "" && isPort(port) && !strings.ContainsFunc(s, unicode.IsSpace)
	})
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= 65535
}
