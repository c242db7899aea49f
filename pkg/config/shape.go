package config

import (
	"cmp"
	"slices"
)

// shape describes a kind without its Go type. One of scalar, object, items and entries is set, and also has the other forms.
type shape struct {
	// scalar is the JSON Schema of a scalar.
	scalar map[string]any
	object *structure
	// items is the shape of the items of a list.
	items *shape
	// entries is the shape of every value of a mapping from names; names is the JSON Schema of the names.
	entries *shape
	names   map[string]any
	also    []shape
	// expand turns a short form into a mapping; nil where there is none.
	expand func(*tree) *tree
	// keeps returns what is left of the mapping base under over: nil where over takes its place. A nil keeps leaves all of it.
	keeps func(base, over *tree) *tree
}

// structure is an object's name in the schema, and its keys.
type structure struct {
	name       string
	properties []property
}

// property is one key of an object.
type property struct {
	name string
	// owner is the object under which the key is documented.
	owner string
	shape shape
}

func (s *structure) has(name string) bool {
	return slices.ContainsFunc(s.properties, func(p property) bool { return p.name == name })
}

// inside returns the shape of the value of name in a mapping of this shape; the zero shape if there is none.
func (s shape) inside(name string) shape {
	if s.entries != nil {
		return *s.entries
	}
	if s.object != nil {
		for _, p := range s.object.properties {
			if p.name == name {
				return p.shape
			}
		}
	}
	return shape{}
}

// overlay lays over upon base, key by key. What is no mapping, and an object of another choice, is replaced as a whole.
// Every part keeps its place, so that problems are reported where the value was written.
func (s shape) overlay(base, over *tree) *tree {
	if base == nil || over == nil {
		return cmp.Or(over, base)
	}
	from, to := s.mapped(base), s.mapped(over)
	if from.kind != mapping || to.kind != mapping {
		return over
	}
	if s.keeps != nil {
		if from = s.keeps(from, to); from == nil {
			return over
		}
	}
	laid := *from
	laid.entries = slices.Clone(from.entries)
	at := map[string]int{}
	for i, e := range laid.entries {
		at[e.name] = i
	}
	for _, e := range to.entries {
		if i, found := at[e.name]; found {
			laid.entries[i].value = s.inside(e.name).overlay(laid.entries[i].value, e.value)
		} else {
			laid.entries = append(laid.entries, e)
		}
	}
	return &laid
}

func (s shape) mapped(t *tree) *tree {
	if s.expand != nil {
		t = s.expand(t)
	}
	if s.object == nil && s.entries == nil {
		return t
	}
	return t.mapped()
}

// id is the name under which the key is documented.
func (p property) id() string { return p.owner + "." + p.name }
