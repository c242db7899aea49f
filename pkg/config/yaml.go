package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	// maxBytes bounds the file; maxNodes its values and maxDepth their nesting once the aliases are unfolded, which may stand in a circle.
	maxBytes = 1 << 20
	maxNodes = 20_000
	maxDepth = 40
)

var plainKey = regexp.MustCompile(`^[\pL\pN@/_.-]+$`)

// parseYAML reads one YAML document. Aliases and merge keys are unfolded. An empty document is an empty mapping.
func parseYAML(file string, data []byte) (*tree, []Problem) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	whole := Place{File: file}
	if len(data) > maxBytes {
		return nil, []Problem{{Place: whole, Text: fmt.Sprintf("the file is larger than %d KiB", maxBytes>>10)}}
	}
	if problem, ok := notText(file, data); !ok {
		return nil, []Problem{problem}
	}
	var document, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return &tree{place: whole, kind: mapping}, nil
	case err != nil:
		return nil, []Problem{syntaxProblem(file, data, err)}
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, []Problem{{Place: Place{File: file, Line: second.Line, Column: second.Column},
			Text: "a second YAML document starts here; expected one document in the file"}}
	case !errors.Is(err, io.EOF):
		return nil, []Problem{syntaxProblem(file, data, err)}
	}
	u := unfolder{file: file}
	root := u.value(document.Content[0], "")
	if u.full {
		return nil, []Problem{{Place: whole, Text: fmt.Sprintf("expected at most %d values, %d deep, once the aliases are unfolded", maxNodes, maxDepth)}}
	}
	return root.mapped(), u.problems
}

// unfolder turns YAML nodes into a tree.
type unfolder struct {
	file     string
	problems []Problem
	nodes    int
	depth    int
	// full says that a limit was passed, so that the tree is of no use.
	full bool
}

func (u *unfolder) place(n *yaml.Node, key string) Place {
	return Place{File: u.file, Line: n.Line, Column: n.Column, Key: key}
}

func (u *unfolder) value(n *yaml.Node, key string) *tree {
	t := &tree{place: u.place(n, key), tag: n.Tag, text: n.Value}
	u.nodes++
	u.full = u.full || u.nodes > maxNodes || u.depth > maxDepth
	if u.full {
		return t
	}
	u.depth++
	defer func() { u.depth-- }()
	switch n.Kind {
	case yaml.AliasNode:
		place := t.place
		t = u.value(n.Alias, key)
		t.place = place
	case yaml.MappingNode:
		t.kind, t.entries = mapping, u.mapping(n, key)
	case yaml.SequenceNode:
		t.kind = list
		for i, child := range n.Content {
			t.items = append(t.items, u.value(child, item(key, i)))
		}
	case yaml.ScalarNode:
		if n.Style&yaml.TaggedStyle != 0 && !strings.HasPrefix(n.Tag, "!!") {
			u.problems = append(u.problems, Problem{Place: t.place, Text: fmt.Sprintf("unknown YAML tag %s", abridged(n.Tag))})
		}
	}
	return t
}

func (u *unfolder) mapping(n *yaml.Node, key string) []entry {
	var entries, merged []entry
	seen := map[string]Place{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Kind == yaml.AliasNode {
			name = name.Alias
		}
		path := under(key, name.Value)
		first, again := seen[name.Value]
		switch {
		case name.Tag == "!!merge":
			merged = append(merged, u.merged(value, key)...)
		case name.Kind != yaml.ScalarNode:
			u.problems = append(u.problems, Problem{Place: u.place(name, key), Text: "expected a word as the key"})
		case again:
			u.problems = append(u.problems, Problem{Place: u.place(name, path), Text: fmt.Sprintf("this key stands here already, at line %d", first.Line)})
		default:
			seen[name.Value] = u.place(name, path)
			entries = append(entries, entry{name.Value, seen[name.Value], u.value(value, path)})
		}
	}
	for _, e := range merged {
		if _, again := seen[e.name]; !again {
			seen[e.name] = e.place
			entries = append(entries, e)
		}
	}
	return entries
}

// merged returns what a merge key (<<) brings in: the entries of a mapping, or of several, the first of a name winning.
func (u *unfolder) merged(n *yaml.Node, key string) []entry {
	t := u.value(n, key)
	switch t.kind {
	case mapping:
		return t.entries
	case list:
		var entries []entry
		for _, part := range t.items {
			if part.kind != mapping {
				return u.mergeProblem(part.place)
			}
			entries = append(entries, part.entries...)
		}
		return entries
	}
	return u.mergeProblem(t.place)
}

func (u *unfolder) mergeProblem(place Place) []entry {
	if !u.full {
		u.problems = append(u.problems, Problem{Place: place, Text: "expected a mapping, or a list of mappings, to merge with <<"})
	}
	return nil
}

// notText finds the first byte that is no UTF-8 or no text; false if there is one.
func notText(file string, data []byte) (Problem, bool) {
	line, column := 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return Problem{Place: Place{File: file, Line: line, Column: column}, Text: "expected text in UTF-8", Hint: "save the file as UTF-8"}, false
		case r == '\n':
			line, column = line+1, 0
		case r < ' ' && r != '\t' && r != '\r', r == 0x7f:
			return Problem{Place: Place{File: file, Line: line, Column: column}, Text: fmt.Sprintf("control character %q", r)}, false
		}
		column++
		data = data[size:]
	}
	return Problem{}, true
}

var syntaxLine = regexp.MustCompile(`^line \d+: `)

// syntaxProblem finds the line that the YAML parser stumbled over. The parser names the line where the surrounding block began, if any, so
// the line is searched for: it ends the shortest beginning of the file that fails in the same way.
func syntaxProblem(file string, data []byte, err error) Problem {
	reason := syntaxReason(err)
	lines := bytes.SplitAfter(data, []byte("\n"))
	fails := func(n int) bool {
		var ignored yaml.Node
		decoder := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:n], nil)))
		for {
			err := decoder.Decode(&ignored)
			if err != nil {
				return syntaxReason(err) == reason
			}
		}
	}
	low, high := 1, len(lines)
	for low < high {
		if middle := (low + high) / 2; fails(middle) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	line := string(lines[low-1])
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	problem := Problem{Place: Place{File: file, Line: low, Column: len(indent) + 1}, Text: "not YAML: " + reason}
	if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
		problem.Column, problem.Text = tab+1, "a tab in the indentation; YAML takes spaces only"
	}
	return problem
}

func syntaxReason(err error) string {
	return syntaxLine.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "")
}
