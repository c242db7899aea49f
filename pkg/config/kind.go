package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/nearest"
)

// kind is one kind of value: how it is read, and its shape, from which overlays, the schema and the test of the reference file work.
type kind[V any] struct {
	shape shape
	// read decodes t into a V that holds the defaults, and reports what is wrong to r.
	read func(r *reader, t *tree, into *V)
}

// field is one key of an object that becomes a T.
type field[T any] struct {
	property
	read func(r *reader, t *tree, into *T)
}

// reader collects the problems of one reading. Paths in the file are relative to dir; ~ is home.
type reader struct {
	keys      kind[document]
	dir, home string
	problems  []Problem
}

func (r *reader) fail(t *tree, text string) {
	r.problems = append(r.problems, Problem{Place: t.place, Text: text})
}

func (r *reader) unexpected(t *tree, want string) {
	r.fail(t, fmt.Sprintf("expected %s, got %s", want, t))
}

// notMapping does not show the value: people put secrets where a mapping should say where they are.
func (r *reader) notMapping(t *tree) {
	if t.kind == list {
		r.unexpected(t, "a mapping")
		return
	}
	r.fail(t, "expected a mapping, got a single value")
}

// refusal is a problem with a value that needs other words than "expected …, got …": a better reason, or a value that may be secret.
type refusal struct{ text, hint string }

func (e *refusal) Error() string { return e.text }

// errUnexpected is what a parse function returns where "expected …, got …" says it all.
var errUnexpected = errors.New("unexpected")

// plain is a scalar of one of the YAML types, all of whose texts are read by parse.
func plain[V any](want string, schema map[string]any, parse func(text string) (V, error), types ...string) kind[V] {
	return kind[V]{shape{scalar: schema}, func(r *reader, t *tree, into *V) {
		if t.kind != scalar || t.tag != "" && !slices.Contains(types, t.tag) {
			r.unexpected(t, want)
			if t.kind == scalar && slices.Equal(types, []string{"!!str"}) && slices.Contains([]string{"!!int", "!!float", "!!bool", "!!timestamp"}, t.tag) {
				r.problems[len(r.problems)-1].Hint = "put text that looks like a number, a date or a truth value in quotes"
			}
			return
		}
		value, err := parse(t.text)
		var refused *refusal
		switch {
		case err == nil:
			*into = value
		case errors.As(err, &refused):
			r.problems = append(r.problems, Problem{Place: t.place, Text: refused.text, Hint: refused.hint})
		default:
			r.unexpected(t, want)
		}
	}}
}

// key is a field of T that at points to.
func key[T, V any](name string, k kind[V], at func(*T) *V) field[T] {
	return field[T]{property{name: name, shape: k.shape}, func(r *reader, t *tree, into *T) { k.read(r, t, at(into)) }}
}

// within makes fields of an Inner fields of the T around it.
func within[T, Inner any](at func(*T) *Inner, fields ...field[Inner]) []field[T] {
	var outer []field[T]
	for _, f := range fields {
		outer = append(outer, field[T]{f.property, func(r *reader, t *tree, into *T) { f.read(r, t, at(into)) }})
	}
	return outer
}

// owned names the object under which the fields are documented, for fields that stand in several.
func owned[T any](owner string, fields ...field[T]) []field[T] {
	for i := range fields {
		fields[i].owner = owner
	}
	return fields
}

// object is a mapping of the fields. Null stands for the empty mapping.
func object[T any](name string, fields ...field[T]) kind[T] {
	shape := shape{object: &structure{name: name}}
	for _, f := range fields {
		f.owner = cmp.Or(f.owner, name)
		shape.object.properties = append(shape.object.properties, f.property)
	}
	return kind[T]{shape, func(r *reader, t *tree, into *T) {
		t = t.mapped()
		if t.kind != mapping {
			r.notMapping(t)
			return
		}
		for _, e := range t.entries {
			if i := slices.IndexFunc(fields, func(f field[T]) bool { return f.name == e.name }); i >= 0 {
				fields[i].read(r, e.value, into)
			} else {
				r.unknown(e, shape.object.properties)
			}
		}
	}}
}

// unknown reports a key that an object does not have.
func (r *reader) unknown(e entry, known []property) {
	var names, inside []string
	for _, p := range known {
		names = append(names, p.name)
		if p.shape.object != nil && p.shape.object.has(e.name) {
			inside = append(inside, p.name+"."+e.name)
		}
	}
	slices.Sort(names)
	text := "unknown key; expected one of " + strings.Join(names, ", ")
	near := inside
	if len(near) == 0 {
		near = nearest.Nearest(e.name, names, 2)
	}
	if len(near) > 0 {
		text = fmt.Sprintf("unknown key; did you mean %s?", strings.Join(near, " or "))
	}
	r.problems = append(r.problems, Problem{Place: e.place, Text: text})
}

// then checks an object as a whole once its keys are read.
func (k kind[V]) then(check func(r *reader, t *tree, v *V)) kind[V] {
	read := k.read
	k.read = func(r *reader, t *tree, into *V) {
		read(r, t, into)
		if t = t.mapped(); t.kind == mapping {
			check(r, t, into)
		}
	}
	return k
}

// choice is an object with exactly one of the keys; in an overlay another one of them replaces the whole object.
func (k kind[V]) choice(keys ...string) kind[V] {
	k.shape.keeps = func(base, over *tree) *tree {
		if over.adds(base, keys) {
			return nil
		}
		return base
	}
	return k.then(func(r *reader, t *tree, _ *V) {
		if len(t.given(keys)) == 0 {
			r.fail(t, "expected one of the keys "+strings.Join(keys, ", "))
		}
		r.checkRivals(t, keys)
	})
}

// rivals is an object with at most one of the keys; in an overlay another one of them replaces that one.
func (k kind[V]) rivals(keys ...string) kind[V] {
	k.shape.keeps = func(base, over *tree) *tree {
		if over.adds(base, keys) {
			return base.only(func(name string) bool { return !slices.Contains(keys, name) })
		}
		return base
	}
	return k.then(func(r *reader, t *tree, _ *V) { r.checkRivals(t, keys) })
}

func (r *reader) checkRivals(t *tree, keys []string) {
	if given := t.given(keys); len(given) > 1 {
		r.fail(t.get(given[1]), "expected only one of "+strings.Join(given, ", "))
	}
}

// short gives an object a second form, which expand turns into a mapping. What it leaves alone is reported as "expected WANT".
func (k kind[V]) short(want string, expand func(*tree) *tree, forms ...shape) kind[V] {
	k.shape.expand, k.shape.also = expand, append(k.shape.also, forms...)
	read := k.read
	k.read = func(r *reader, t *tree, into *V) {
		if t = expand(t).mapped(); t.kind != mapping {
			r.unexpected(t, want)
			return
		}
		read(r, t, into)
	}
	return k
}

// or accepts one word that stands for value.
func (k kind[V]) or(word string, value V) kind[V] {
	read := k.read
	k.read = func(r *reader, t *tree, into *V) {
		if t.kind == scalar && t.text == word {
			*into = value
			return
		}
		read(r, t, into)
	}
	return k
}

// several is a list, or one item in its stead; never empty.
func several[V any](want string, k kind[V]) kind[[]V] {
	return kind[[]V]{shape{items: &k.shape, also: []shape{k.shape}}, func(r *reader, t *tree, into *[]V) {
		items := []*tree{t}
		if t.kind == list {
			items = t.items
		}
		if len(items) == 0 || t.kind == mapping && k.shape.object == nil {
			r.fail(t, "expected "+want)
			return
		}
		values := make([]V, len(items))
		for i, item := range items {
			k.read(r, item, &values[i])
		}
		*into = values
	}}
}

// named is a mapping from names to values that begin as base.
func named[V any](name kind[string], value kind[V], base V) kind[map[string]V] {
	return kind[map[string]V]{shape{entries: &value.shape, names: name.shape.scalar}, func(r *reader, t *tree, into *map[string]V) {
		t = t.mapped()
		if t.kind != mapping {
			r.notMapping(t)
			return
		}
		values := maps.Clone(*into)
		if values == nil {
			values = map[string]V{}
		}
		for _, e := range t.entries {
			var checked string
			name.read(r, &tree{place: e.place, text: e.name}, &checked)
			v := base
			value.read(r, e.value, &v)
			values[e.name] = v
		}
		*into = values
	}}
}
