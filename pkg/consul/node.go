package consul

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/rollpin/rollpin/pkg/inventory"
)

// facts makes a node of an entry, but for what has to be checked. Where services or a filter select the nodes, the node is what it was
// selected for, whatever its metadata says besides.
func (l *lookup) facts(e entry) inventory.Node {
	keys := l.settings.Keys
	n := inventory.Node{
		Name:        e.name,
		Address:     e.address,
		User:        e.meta[keys.SSHUser],
		Roles:       inventory.SplitRoles(e.meta[keys.Role]),
		Environment: e.meta[keys.Environment],
		Zone:        e.meta[keys.Zone],
		Meta:        map[string]string{},
	}
	maps.Copy(n.Meta, e.serviceMeta)
	maps.Copy(n.Meta, e.meta)
	if l.settings.Match == "node" {
		return n
	}
	n.Environment = cmp.Or(l.query.Environment, n.Environment)
	for _, role := range append(slices.Clone(e.roles), l.query.Role) {
		if role != "" && !slices.Contains(n.Roles, role) {
			n.Roles = append(n.Roles, role)
		}
	}
	return n
}

// nodes makes nodes of entries, and names all whose facts cannot be used. Where and as whom SSH logs in comes from the node's metadata
// alone, not from a service's: whoever may register a service need not own the node.
func (l *lookup) nodes(entries []entry) ([]inventory.Node, error) {
	var problems []string
	nodes := make([]inventory.Node, len(entries))
	for i, e := range entries {
		n := l.facts(e)
		problem := func(what string, err error) {
			if err != nil {
				problems = append(problems, fmt.Sprintf("node %q in %s: %s: %v", e.name, l.Source, what, err))
			}
		}
		problem("name", inventory.CheckName(n.Name))
		problem("address", inventory.CheckHost(n.Address))
		if n.User != "" {
			problem("metadata "+l.settings.Keys.SSHUser, inventory.CheckUser(n.User))
		}
		if port := e.meta[l.settings.Keys.SSHPort]; port != "" {
			var err error
			n.Port, err = inventory.ParsePort(strings.TrimSpace(port))
			problem("metadata "+l.settings.Keys.SSHPort, err)
		}
		nodes[i] = n
	}
	if len(problems) > 0 {
		return nil, &Error{text: strings.Join(problems, "\n"), hint: "correct node_meta in the configuration of these nodes' Consul agents"}
	}
	return nodes, nil
}

// oneLine makes text fit for one line of a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.Join(strings.Fields(text), " "))
}
