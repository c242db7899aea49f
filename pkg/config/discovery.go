package config

import (
	"strings"
)

func discoveryKeys() kind[Discovery] {
	program := several("a program and its arguments", text("a word", func(string) bool { return true }))
	return object("discovery",
		key("consul", consulPointer(), func(d *Discovery) **Consul { return &d.Consul }),
		key("file", localPath("an inventory file"), func(d *Discovery) *string { return &d.File }),
		key("exec", program, func(d *Discovery) *[]string { return &d.Exec }),
	).choice("consul", "file", "exec").then(func(r *reader, t *tree, d *Discovery) {
		if exec := t.get("exec"); exec != nil && len(d.Exec) > 0 {
			r.findProgram(exec, d)
		}
	})
}

// findProgram makes a path out of a program with a slash in its name; any other is looked for in PATH.
func (r *reader) findProgram(t *tree, d *Discovery) {
	switch {
	case d.Exec[0] == "":
		r.fail(t, "expected a program and its arguments")
	case t.kind == scalar && strings.ContainsAny(t.text, " \t"):
		r.fail(t, "expected a list of the program and its arguments, such as [./nodes.py, --all], got "+t.String())
	case strings.Contains(d.Exec[0], "/"):
		d.Exec[0] = r.local(t, d.Exec[0])
	}
}

// consulPointer reads into a new Consul, so that no two readings share one.
func consulPointer() kind[*Consul] {
	k := consulKeys()
	return kind[*Consul]{k.shape, func(r *reader, t *tree, into **Consul) {
		consul := defaultConsul()
		k.read(r, t, &consul)
		*into = &consul
	}}
}

func defaultConsul() Consul {
	return Consul{Match: "node", Keys: Keys{Role: "role", Environment: "environment", Zone: "zone", SSHPort: "ssh_port", SSHUser: "ssh_user"}}
}

func consulKeys() kind[Consul] {
	return object("consul",
		key("match", enum("node", "service", "filter"), func(c *Consul) *string { return &c.Match }),
		key("filter", line("a Consul filter expression such as Meta.role == $role"), func(c *Consul) *string { return &c.Filter }),
		key("service", token("the name of a Consul service"), func(c *Consul) *string { return &c.Service }),
		key("tag", token("a tag of a Consul service"), func(c *Consul) *string { return &c.Tag }),
		key("datacenter", word("a datacenter"), func(c *Consul) *string { return &c.Datacenter }),
		key("keys", metaKeys(), func(c *Consul) *Keys { return &c.Keys }),
	).then(checkConsul)
}

func checkConsul(r *reader, t *tree, c *Consul) {
	if c.Match == "filter" && c.Filter == "" {
		r.fail(t.first("match"), "match: filter needs the key filter beside it")
	}
	for name, match := range map[string]string{"filter": "filter", "service": "service", "tag": "service"} {
		if found := t.get(name); found != nil && c.Match != match {
			r.fail(found, "is for match: "+match+" only, and match here is "+c.Match)
		}
	}
}

func metaKeys() kind[Keys] {
	name := word("a key of node metadata")
	return object("keys",
		key("role", name, func(k *Keys) *string { return &k.Role }),
		key("environment", name, func(k *Keys) *string { return &k.Environment }),
		key("zone", name, func(k *Keys) *string { return &k.Zone }),
		key("ssh_port", name, func(k *Keys) *string { return &k.SSHPort }),
		key("ssh_user", name, func(k *Keys) *string { return &k.SSHUser }),
	)
}
