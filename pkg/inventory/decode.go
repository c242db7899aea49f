package inventory

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rollpin/rollpin/pkg/nearest"
)

// InvalidError lists all that is wrong with an inventory, each with its place, such as "inventory.yaml:3:5: nodes[1].address: …".
type InvalidError struct{ Problems []string }

// Error gives the problems, one a line.
func (e *InvalidError) Error() string { return strings.Join(e.Problems, "\n") }

// Hint shows the shape that was expected.
func (e *InvalidError) Hint() string {
	return "an inventory is: nodes: [{name: web-1, address: 10.0.0.1, roles: [web], environment: production}]"
}

// decode reads an inventory, YAML or JSON. Every node must name its environment: a default could put a node of one into another.
func decode(name string, data []byte) ([]Node, error) {
	root, err := parse(data)
	if err != nil {
		return nil, &InvalidError{[]string{name + ":" + strings.TrimPrefix(err.Error(), "yaml:")}}
	}
	d := decoder{file: name, names: map[string]string{}, targets: map[target]string{}}
	d.root(root)
	if len(d.problems) > 0 {
		return nil, d.invalid()
	}
	Sort(d.nodes)
	return d.nodes, nil
}

func parse(data []byte) (*yaml.Node, error) {
	if json.Valid(data) {
		return parseJSON(data)
	}
	var root, second yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(data))
	if err := documents.Decode(&root); errors.Is(err, io.EOF) {
		return nil, errors.New("1:1: is empty; expected nodes: [...]")
	} else if err != nil {
		return nil, err
	}
	if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%d:1: has more than one document", second.Line)
	}
	return root.Content[0], nil
}

// decoder walks the tree and collects nodes and problems.
type decoder struct {
	file     string
	problems []problem
	nodes    []Node
	// names and targets are where each stood first.
	names   map[string]string
	targets map[target]string
}

type problem struct {
	line, column int
	text         string
}

// target is what one deployment reaches on one host.
type target struct {
	address                 string
	port                    int
	user, environment, role string
}

func (d *decoder) problem(at *yaml.Node, path, format string, args ...any) {
	if path != "" {
		path += ": "
	}
	text := fmt.Sprintf("%s:%d:%d: %s%s", d.file, at.Line, at.Column, path, fmt.Sprintf(format, args...))
	d.problems = append(d.problems, problem{at.Line, at.Column, text})
}

// invalid gives the problems in the order of the text.
func (d *decoder) invalid() *InvalidError {
	slices.SortStableFunc(d.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	e := &InvalidError{}
	for _, p := range d.problems {
		e.Problems = append(e.Problems, p.text)
	}
	return e
}

func (d *decoder) root(root *yaml.Node) {
	keys := d.mapping(root, "", "nodes")
	list, ok := keys["nodes"]
	switch {
	case root.Kind != yaml.MappingNode:
	case !ok:
		d.problem(root, "", "has no key nodes")
	case list.Kind != yaml.SequenceNode:
		d.problem(list, "nodes", "expected a list, got %s", kind(list))
	default:
		for i, item := range list.Content {
			d.node(resolve(item), fmt.Sprintf("nodes[%d]", i))
		}
	}
}

func (d *decoder) node(at *yaml.Node, path string) {
	keys := d.mapping(at, path, "name", "address", "user", "role", "roles", "environment", "zone", "meta", "dead")
	if keys == nil {
		return
	}
	var n Node
	n.Name = d.text(keys, path, "name", CheckName)
	address := d.text(keys, path, "address", func(s string) error { _, _, err := SplitAddress(s); return err })
	n.Address, n.Port, _ = SplitAddress(address)
	n.User = d.text(keys, path, "user", CheckUser)
	n.Environment = d.text(keys, path, "environment", checkLabel)
	n.Zone = d.text(keys, path, "zone", checkLabel)
	n.Dead = d.text(keys, path, "dead", nil)
	n.Roles = d.roles(keys, path)
	n.Meta = d.meta(keys["meta"], path+".meta")

	for _, required := range []string{"name", "address", "environment"} {
		if keys[required] == nil {
			d.problem(at, path+"."+required, "is missing")
		}
	}
	if n.Name == "" || n.Address == "" {
		return
	}
	d.unique(keys, path, n)
	d.nodes = append(d.nodes, n)
}

// unique refuses a second node of one name, and a second name for one host, which would be deployed to twice at the same time.
func (d *decoder) unique(keys map[string]*yaml.Node, path string, n Node) {
	here := fmt.Sprintf("%s (line %d)", path, keys["name"].Line)
	if first, ok := d.names[n.Name]; ok {
		d.problem(keys["name"], path+".name", "the name %s is that of %s already", n.Name, first)
	}
	d.names[n.Name] = here
	for _, role := range n.Roles {
		target := target{n.Address, n.Port, n.User, n.Environment, role}
		if first, ok := d.targets[target]; ok {
			d.problem(keys["address"], path+".address", "%s has this address already, with the role %s in %s", first, role, n.Environment)
			return
		}
		d.targets[target] = here
	}
}

// mapping returns the values of a mapping by key, less those that are null, or nil if it is none.
func (d *decoder) mapping(at *yaml.Node, path string, known ...string) map[string]*yaml.Node {
	if at.Kind != yaml.MappingNode {
		d.problem(at, path, "expected a mapping, got %s", kind(at))
		return nil
	}
	keys, seen := map[string]*yaml.Node{}, map[string]bool{}
	for i := 0; i+1 < len(at.Content); i += 2 {
		key, value := at.Content[i], resolve(at.Content[i+1])
		switch {
		case known != nil && !slices.Contains(known, key.Value):
			d.problem(key, path, "%s", unknownKey(key.Value, known))
		case seen[key.Value]:
			d.problem(key, path, "key %s stands twice", key.Value)
		case kind(value) != "nothing":
			keys[key.Value] = value
		}
		seen[key.Value] = true
	}
	return keys
}

func unknownKey(key string, known []string) string {
	switch {
	case key == "port":
		return "unknown key port: it belongs to the address, as in 10.0.0.1:2222"
	case key == "<<":
		return "merge keys (<<) are not supported: write the keys out"
	}
	if near := nearest.Nearest(key, known, 1); len(near) > 0 {
		return fmt.Sprintf("unknown key %s; did you mean %s?", key, near[0])
	}
	return fmt.Sprintf("unknown key %s; known are %s", key, strings.Join(known, ", "))
}

// text reads an optional scalar; numbers count as they are written.
func (d *decoder) text(keys map[string]*yaml.Node, path, key string, check func(string) error) string {
	at, ok := keys[key]
	if !ok {
		return ""
	}
	return d.scalar(at, path+"."+key, check)
}

func (d *decoder) scalar(at *yaml.Node, path string, check func(string) error) string {
	if at.Kind != yaml.ScalarNode || kind(at) == "nothing" {
		d.problem(at, path, "expected text, got %s", kind(at))
		return ""
	}
	value := strings.TrimSpace(at.Value)
	if check != nil {
		if err := check(value); err != nil {
			d.problem(at, path, "%v", err)
			return ""
		}
	}
	return value
}

// roles reads role or roles: one, several separated by commas, or a list.
func (d *decoder) roles(keys map[string]*yaml.Node, path string) []string {
	key := "roles"
	if keys["roles"] == nil {
		key = "role"
	} else if keys["role"] != nil {
		d.problem(keys["role"], path+".role", "stands beside roles: use one of them")
	}
	at := keys[key]
	if at == nil {
		return nil
	}
	if at.Kind != yaml.SequenceNode {
		return SplitRoles(d.scalar(at, path+"."+key, nil))
	}
	var roles []string
	for i, item := range at.Content {
		if role := d.scalar(resolve(item), fmt.Sprintf("%s.%s[%d]", path, key, i), checkLabel); role != "" && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

func (d *decoder) meta(at *yaml.Node, path string) map[string]string {
	if at == nil {
		return nil
	}
	keys := d.mapping(at, path)
	meta := make(map[string]string, len(keys))
	for key := range keys {
		meta[key] = d.text(keys, path, key, nil)
	}
	return meta
}

// SplitRoles reads roles separated by commas, each once.
func SplitRoles(text string) []string {
	var roles []string
	for role := range strings.SplitSeq(text, ",") {
		if role = strings.TrimSpace(role); role != "" && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

// resolve follows a YAML alias.
func resolve(at *yaml.Node) *yaml.Node {
	if at.Kind == yaml.AliasNode {
		return at.Alias
	}
	return at
}

func kind(at *yaml.Node) string {
	switch {
	case at.Kind == yaml.MappingNode:
		return "a mapping"
	case at.Kind == yaml.SequenceNode:
		return "a list"
	case at.Tag == "!!null":
		return "nothing"
	default:
		return fmt.Sprintf("%q", at.Value)
	}
}
