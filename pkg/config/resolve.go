package config

import (
	"cmp"
	"slices"
	"strings"
)

// Request is what a command asks for.
type Request struct {
	// Service may be empty, where only nodes are asked for.
	Service string
	// Environment is any name; environments in the file hold only what differs.
	Environment string
	Flags       []Flag
}

// Flag is a setting on top of the file.
type Flag struct {
	// Name is the flag as it was typed, such as --batch; errors call it so.
	Name string
	// Key is service.KEY, strategy.KEY, discovery.KEY or ssh.KEY, with the names of the file. strategy.name chooses the strategy.
	// A key that is given several times becomes a list.
	Key string
	// Value is read as YAML reads a scalar of the key's type.
	Value string
}

// Resolve lays the environment and then the flags over the file. The error is an *Error: an unknown service, a flag's value, or keys that
// are needed and missing, all at once.
func (f *File) Resolve(request Request) (Target, error) {
	r := &reader{keys: documentKeys(), dir: f.dir, home: f.home}
	r.checkWord("-e", environmentName(), request.Environment)
	root := f.root
	if request.Service != "" {
		root = r.withService(root, request.Service, f.name)
	}
	if len(r.problems) > 0 {
		return Target{}, asError(r.problems)
	}
	root = r.keys.shape.overlay(root, f.root.get("environments").get(request.Environment))
	root = r.keys.shape.overlay(root, flagTree(request))
	root = withOnly(root, request.Service)
	d := r.document(root)
	target := Target{Environment: request.Environment, Discovery: d.Discovery, SSH: d.SSH, Lock: d.lock(), Cache: d.Cache}
	if request.Service != "" {
		target.Service, target.Strategy = d.Services[request.Service].Service, d.Services[request.Service].Strategy
		target.Service.Name = request.Service
		target.Service.Role = cmp.Or(target.Service.Role, request.Service)
		target.Service.Package = cmp.Or(target.Service.Package, request.Service)
		r.checkComplete(root.get("services").get(request.Service), target.Service)
	}
	if err := asError(r.problems); err != nil {
		return Target{}, err
	}
	return target, nil
}

// Cache says how releases are kept on this machine: the same for all services and environments.
func (f *File) Cache() Cache {
	r := &reader{keys: documentKeys(), dir: f.dir, home: f.home}
	return r.document(withOnly(f.root, "")).Cache
}

// withOnly leaves out what the request is not about: the other services and the other environments.
func withOnly(root *tree, service string) *tree {
	root = root.only(func(name string) bool { return name != "environments" })
	if services := root.get("services"); services != nil {
		root = root.with("services", services.only(func(name string) bool { return name == service && service != "" }))
	}
	return root
}

func (r *reader) checkWord(flag string, name kind[string], text string) {
	var ignored string
	name.read(r, &tree{place: Place{Flag: flag}, text: text}, &ignored)
}

// withService returns root with the service in it. A file with no services is no more than a place for other settings: then flags may
// describe any service.
func (r *reader) withService(root *tree, name, file string) *tree {
	services := root.get("services").mapped()
	if services.get(name) != nil {
		return root
	}
	if services != nil && len(services.entries) > 0 {
		r.problems = append(r.problems, Problem{Place: Place{File: file}, Text: unknown("service", name, services)})
		return root
	}
	r.checkWord("SERVICE", serviceName(), name)
	place := Place{Key: "services." + name}
	return root.with("services", &tree{kind: mapping, entries: []entry{{name, place, &tree{place: place, kind: mapping}}}})
}

// checkComplete reports every key that is needed and missing, at the service in the file, or as a flag where there is no file.
func (r *reader) checkComplete(t *tree, s Service) {
	need := func(key, flag, value, what string) {
		if value != "" || t.get(key) != nil { // a bad value has been reported already
			return
		}
		p := Problem{Place: t.place, Text: key + " is missing: " + what}
		if t.place.File == "" {
			p = Problem{Place: Place{Flag: flag}, Text: "needed where no " + FileName + " has it: " + what,
				Hint: "give the flags, or write the service down in " + FileName + ""}
		}
		r.problems = append(r.problems, p)
	}
	need("path", "--path", s.Path, "the service's directory on the node, such as /srv/"+s.Name)
	need("manager", "--manager", s.Manager, "the package manager: pip, npm or archive")
	need("restart", "--restart", s.Restart.Kind, "how it takes up a release, such as systemd:"+s.Name+".service; none if it needs no restart")
	if auth := t.get("index_auth"); auth != nil && s.Index == "" && t.get("index") == nil {
		r.fail(auth, "needs the key index beside it: the credentials are sent to no other host")
	}
}

// flagTree makes one layer of the flags, in their own order.
func flagTree(request Request) *tree {
	var order []string
	values := map[string]*tree{}
	for _, flag := range request.Flags {
		value := &tree{place: Place{Flag: flag.Name}, text: flag.Value}
		before, again := values[flag.Key]
		switch {
		case !again:
			order = append(order, flag.Key)
		case before.kind == list:
			value = &tree{place: value.place, kind: list, items: append(slices.Clone(before.items), value)}
		default:
			value = &tree{place: value.place, kind: list, items: []*tree{before, value}}
		}
		values[flag.Key] = value
	}
	root := &tree{kind: mapping}
	for _, key := range order {
		path := strings.Split(key, ".")
		switch path[0] {
		case "service":
			path = append([]string{"services", request.Service}, path[1:]...)
		case "strategy":
			path = append([]string{"services", request.Service}, path...)
		}
		root = root.set(path, values[key])
	}
	return root
}

// set returns t with value at path; the mappings on the way take its place.
func (t *tree) set(path []string, value *tree) *tree {
	if len(path) == 0 {
		return value
	}
	inner := t.get(path[0])
	if inner == nil {
		inner = &tree{place: value.place, kind: mapping}
	}
	return t.with(path[0], inner.set(path[1:], value))
}
