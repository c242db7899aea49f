package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/nearest"
)

// connectTimeout is how long connecting may take where nothing says otherwise.
const connectTimeout = 10 * time.Second

// withoutExtras drops the keys of the document that begin with x-: a place for anchors.
func withoutExtras(root *tree) *tree {
	if root.kind != mapping {
		return root
	}
	return root.only(func(name string) bool { return !strings.HasPrefix(name, "x-") })
}

// document reads the layers of an environment once they lie over each other.
func (r *reader) document(root *tree) document {
	var d document
	r.keys.then(checkDocument).read(r, r.pinned(root), &d)
	return d
}

// environment reads what changes when override is laid over the document.
func (r *reader) environment(root, override *tree) {
	if override.kind != mapping {
		return // null, or reported with the document
	}
	changed, services := override.get("services"), root.get("services")
	r.checkKnown(changed, services)
	root = root.only(func(name string) bool { return name != "environments" && name != "services" })
	if services != nil && services.kind == mapping {
		root = root.with("services", services.only(func(name string) bool { return changed.get(name) != nil }))
	}
	r.document(r.keys.shape.overlay(root, override))
}

// pinned lays what each service changes in its strategy over the strategy that it names, so that the two are read as one.
func (r *reader) pinned(root *tree) *tree {
	services := root.get("services")
	if services == nil || services.kind != mapping {
		return root
	}
	pinned := *services
	pinned.entries = slices.Clone(services.entries)
	for i, e := range pinned.entries {
		if service := e.value.mapped(); service.kind == mapping {
			pinned.entries[i].value = r.pinnedService(service, root.get("strategies"))
		}
	}
	return root.with("services", &pinned)
}

func (r *reader) pinnedService(service, strategies *tree) *tree {
	use := expandStrategy(service.get("strategy"))
	if use == nil {
		use = &tree{place: service.place, kind: mapping}
	}
	if use = use.mapped(); use.kind != mapping || strategies == nil || strategies.kind != mapping {
		return service
	}
	name := use.get("name")
	if name == nil {
		name = &tree{place: use.place, text: defaultStrategyName}
	}
	named := strategies.get(name.text).mapped().only(r.keys.shape.inside("strategies").inside(name.text).object.has)
	if named == nil {
		if wordForm.MatchString(name.text) && name.kind == scalar {
			r.fail(name, unknown("strategy", name.text, strategies))
		}
		return service
	}
	if named.kind != mapping {
		return service
	}
	for _, e := range use.with("name", name).entries {
		named = named.with(e.name, e.value)
	}
	return service.with("strategy", named)
}

// unknown says that there is no such name, which ones are near, and which ones there are.
func unknown(what, name string, known *tree) string {
	var names []string
	for _, e := range known.entries {
		names = append(names, e.name)
	}
	slices.Sort(names)
	text := fmt.Sprintf("unknown %s %q", what, abridged(name))
	if near := nearest.Nearest(name, names, 2); len(near) > 0 {
		return text + "; did you mean " + strings.Join(near, " or ") + "? Known are " + strings.Join(names, ", ")
	}
	return text + "; known are " + strings.Join(names, ", ")
}

// checkKnown reports services that an environment changes and the file does not have.
func (r *reader) checkKnown(changed, services *tree) {
	if changed == nil || services == nil || services.kind != mapping {
		return
	}
	for _, e := range changed.entries {
		if services.get(e.name) == nil {
			r.problems = append(r.problems, Problem{Place: e.place, Text: unknown("service", e.name, services)})
		}
	}
}

// checkDocument compares what services say with how nodes are reached.
func checkDocument(r *reader, t *tree, d *document) {
	checkDeadlines(r, t, d)
	checkHomes(r, t, d)
}

// checkHomes refuses ~/ where another user does the work: whose home it is would be up to the node's sudoers.
func checkHomes(r *reader, t *tree, d *document) {
	for name, s := range d.Services {
		if d.SSH.Become != "" && strings.HasPrefix(s.Service.Path, "~/") {
			r.fail(t.get("services").get(name).first("path"),
				fmt.Sprintf("expected an absolute path: with ssh.become, %s could be in the home of the log-in user or of %s", s.Service.Path, d.SSH.BecomeUser))
		}
	}
}

// checkDeadlines sees that a node can be reached before the time for staging is over.
func checkDeadlines(r *reader, t *tree, d *document) {
	connect := d.SSH.ConnectTimeout
	if connect == 0 {
		connect = connectTimeout
	}
	for name, s := range d.Services {
		if stage := s.Service.Timeouts.Stage; stage <= connect {
			service := t.get("services").get(name)
			blamed := service.first("timeouts").first("stage")
			if set := t.get("ssh").get("connect_timeout"); set != nil && service.get("timeouts").get("stage") == nil {
				blamed = set
			}
			r.fail(blamed, fmt.Sprintf("the deadlines are in the wrong order: expected ssh.connect_timeout (%s) to be shorter than timeouts.stage (%s)",
				shortDuration(connect), shortDuration(stage)))
		}
	}
}
