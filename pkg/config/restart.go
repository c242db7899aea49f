package config

import (
	"slices"
	"strings"
)

func restartKeys() kind[Restart] {
	as := func(name string, value kind[string]) field[Restart] {
		return key(name, value, func(r *Restart) *string { r.Kind = name; return &r.Name })
	}
	kinds := []string{"systemd", "supervisor", "runit", "pm2", "command"}
	return object("restart",
		as("systemd", token("a unit such as api.service")),
		as("supervisor", token("a program such as api")),
		as("runit", token("a service such as api")),
		as("pm2", line("an app such as api")),
		as("command", line("a shell line such as /etc/init.d/api restart")),
		key("action", enum("restart", "reload"), func(r *Restart) *string { return &r.Action }),
	).choice(kinds...).then(func(r *reader, t *tree, v *Restart) {
		if v.Kind == "command" && v.Action == "reload" {
			r.fail(t.get("action"), "a command is run as it stands; reload is for systemd, supervisor, runit and pm2")
		}
		if v.Action == "" {
			v.Action = "restart"
		}
	}).short("none, or KIND:NAME such as systemd:api.service, with KIND one of "+strings.Join(kinds, ", "),
		func(t *tree) *tree { return prefixed(t, kinds) }, shape{scalar: map[string]any{"type": "string"}},
	).or("none", Restart{Kind: "none"})
}

// prefixed turns the scalar KIND:NAME into the mapping {KIND: NAME} and leaves all else alone.
func prefixed(t *tree, kinds []string) *tree {
	if t == nil || t.kind != scalar {
		return t
	}
	name, value, found := strings.Cut(t.text, ":")
	if !found || !slices.Contains(kinds, name) {
		return t
	}
	return single(t, name, value)
}

// single is the mapping {name: value} in the place of the scalar t.
func single(t *tree, name, value string) *tree {
	inner := &tree{place: t.place, tag: t.tag, text: value}
	return &tree{place: t.place, kind: mapping, entries: []entry{{name, t.place, inner}}}
}
