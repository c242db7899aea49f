package inventory

import (
	"slices"
	"strings"
)

// ansibleGroup lists the hosts, or the groups, of an Ansible group.
type ansibleGroup struct {
	Hosts    []string `json:"hosts,omitempty"`
	Children []string `json:"children,omitempty"`
}

// asAnsible is what Ansible's script inventory prints for --list. Groups are role_X, environment_X and zone_X, with "_" for each character
// that a group cannot have; variables of ours start with rollpin_. With _meta, Ansible does not call back for every host. Ansible takes this
// from a program only, not from a file: an executable of two lines, #!/bin/sh and exec rollpin nodes -e production --format ansible.
func asAnsible(nodes []Node) any {
	groups, hostvars, all := map[string]ansibleGroup{}, map[string]any{}, []string{}
	join := func(kind, label, host string) {
		name := kind + "_" + groupName(label)
		group := groups[name]
		if label == "" || slices.Contains(group.Hosts, host) {
			return
		}
		group.Hosts = append(group.Hosts, host)
		groups[name] = group
	}
	for _, n := range nodes {
		for _, role := range n.Roles {
			join("role", role, n.Name)
		}
		join("environment", n.Environment, n.Name)
		join("zone", n.Zone, n.Name)
		all = append(all, n.Name)
		hostvars[n.Name] = ansibleVars(n)
	}
	document := map[string]any{
		"_meta": map[string]any{"hostvars": hostvars},
		"all":   ansibleGroup{Hosts: all, Children: sortedKeys(groups)},
	}
	for name, group := range groups {
		document[name] = group
	}
	return document
}

func ansibleVars(n Node) map[string]any {
	vars := map[string]any{"ansible_host": n.Address}
	if n.Port != 0 {
		vars["ansible_port"] = n.Port
	}
	for key, value := range map[string]string{
		"ansible_user": n.User, "rollpin_environment": n.Environment, "rollpin_zone": n.Zone, "rollpin_dead": n.Dead,
	} {
		if value != "" && !template(value) {
			vars[key] = value
		}
	}
	if roles := slices.DeleteFunc(slices.Clone(n.Roles), template); len(roles) > 0 {
		vars["rollpin_roles"] = roles
	}
	meta := map[string]string{}
	for key, value := range n.Meta {
		if !template(key) && !template(value) {
			meta[key] = value
		}
	}
	if len(meta) > 0 {
		vars["rollpin_meta"] = meta
	}
	return vars
}

// template tells whether Ansible would run text as a template. Whoever may register a node in Consul must not run code where Ansible runs.
func template(text string) bool {
	return strings.Contains(text, "{{") || strings.Contains(text, "{%") || strings.Contains(text, "{#")
}

func groupName(label string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, label)
}

// asRundeck is Rundeck's resource model as JSON, which its YAML reader takes, too: nodes by name. Metadata stands behind "meta-", because
// some bare attribute names, such as script-exec, make Rundeck run commands.
func asRundeck(nodes []Node) any {
	document := map[string]any{}
	for _, n := range nodes {
		attributes := map[string]any{
			"nodename": n.Name, "hostname": joinAddress(n.Address, n.Port), "osFamily": "unix", "tags": rundeckTags(n),
		}
		for key, value := range map[string]string{
			"username": n.User, "environment": n.Environment, "role": strings.Join(n.Roles, ","), "zone": n.Zone, "dead": n.Dead,
		} {
			if value != "" {
				attributes[key] = value
			}
		}
		for key, value := range n.Meta {
			attributes["meta-"+key] = value
		}
		document[n.Name] = attributes
	}
	return document
}

func rundeckTags(n Node) []string {
	tags := append([]string{}, n.Roles...)
	for _, tag := range []string{n.Environment, n.Zone} {
		if tag != "" && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}
