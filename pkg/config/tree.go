package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// tree is a value of the configuration before it has a type: from YAML or from flags, with the place of every part.
// A tree is never changed once it is made; nil stands for a value that is not there.
type tree struct {
	place Place
	kind  treeKind
	// tag is the YAML type of a scalar, such as !!int; empty for a flag, whose text may be of any type.
	tag string
	// text is a scalar as it is written.
	text    string
	entries []entry
	items   []*tree
}

type treeKind int

const (
	scalar treeKind = iota
	mapping
	list
)

// entry is one key of a mapping.
type entry struct {
	name string
	// place is where the key stands.
	place Place
	value *tree
}

// get returns the value of name in a mapping, or nil.
func (t *tree) get(name string) *tree {
	if t == nil {
		return nil
	}
	if i := indexOf(t.entries, name); i >= 0 {
		return t.entries[i].value
	}
	return nil
}

func indexOf(entries []entry, name string) int {
	return slices.IndexFunc(entries, func(e entry) bool { return e.name == name })
}

// first returns the first of the names that stands in t, else t itself: the place to blame.
func (t *tree) first(names ...string) *tree {
	for _, name := range names {
		if found := t.get(name); found != nil {
			return found
		}
	}
	return t
}

// with returns t with name set to value.
func (t *tree) with(name string, value *tree) *tree {
	copied := *t
	copied.entries = slices.Clone(t.entries)
	if i := indexOf(t.entries, name); i >= 0 {
		copied.entries[i].value = value
	} else {
		copied.entries = append(copied.entries, entry{name, value.place, value})
	}
	return &copied
}

// only returns t with no other entries than those that keep wants.
func (t *tree) only(keep func(name string) bool) *tree {
	if t == nil {
		return nil
	}
	copied := *t
	copied.entries = nil
	for _, e := range t.entries {
		if keep(e.name) {
			copied.entries = append(copied.entries, e)
		}
	}
	return &copied
}

// given returns those of the keys that a mapping has, in its order.
func (t *tree) given(keys []string) []string {
	var given []string
	for _, e := range t.entries {
		if slices.Contains(keys, e.name) {
			given = append(given, e.name)
		}
	}
	return given
}

// adds says whether t has one of the keys that base has not.
func (t *tree) adds(base *tree, keys []string) bool {
	return slices.ContainsFunc(t.given(keys), func(key string) bool { return base.get(key) == nil })
}

// isNull tells a key that stands there with nothing behind it.
func (t *tree) isNull() bool { return t.kind == scalar && t.tag == "!!null" }

// mapped returns t with null read as the empty mapping.
func (t *tree) mapped() *tree {
	if t == nil || !t.isNull() {
		return t
	}
	return &tree{place: t.place, kind: mapping}
}

// String describes the value to the person who wrote it.
func (t *tree) String() string {
	switch {
	case t.kind == mapping:
		return "a mapping"
	case t.kind == list:
		return "a list"
	case t.isNull():
		return "nothing"
	case t.tag == "!!int", t.tag == "!!float", t.tag == "!!bool":
		return abridged(t.text)
	}
	return strconv.Quote(abridged(t.text))
}

var userInfo = regexp.MustCompile(`//[^/@\s]*@`)

// abridged makes a text fit for an error: short, and without what may be a password.
func abridged(text string) string {
	text = userInfo.ReplaceAllString(text, "//…@")
	if runes := []rune(text); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return text
}

// under returns the path of a key inside key.
func under(key, name string) string {
	if !plainKey.MatchString(name) {
		name = strconv.Quote(abridged(name))
	}
	if key == "" {
		return name
	}
	return key + "." + name
}

func item(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }
