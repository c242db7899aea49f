package inventory

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Write prints nodes in a format: table for people; json, which is an inventory file; ansible, a dynamic inventory; rundeck, a resource model.
func Write(w io.Writer, format string, nodes []Node) error {
	switch format {
	case "table":
		return writeTable(w, nodes)
	case "json":
		return writeJSON(w, asFile(nodes))
	case "ansible":
		return writeJSON(w, asAnsible(nodes))
	case "rundeck":
		return writeJSON(w, asRundeck(nodes))
	}
	return fmt.Errorf("unknown format %q: use table, json, ansible or rundeck", format)
}

func writeJSON(w io.Writer, document any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}

// fileNode is a node in the shape of the inventory file.
type fileNode struct {
	Name        string            `json:"name"`
	Address     string            `json:"address"`
	User        string            `json:"user,omitempty"`
	Roles       []string          `json:"roles,omitempty"`
	Environment string            `json:"environment,omitempty"`
	Zone        string            `json:"zone,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	Dead        string            `json:"dead,omitempty"`
}

func asFile(nodes []Node) any {
	list := make([]fileNode, len(nodes))
	for i, n := range nodes {
		list[i] = fileNode{n.Name, joinAddress(n.Address, n.Port), n.User, n.Roles, n.Environment, n.Zone, n.Meta, n.Dead}
	}
	return map[string]any{"nodes": list}
}

// column is a column of the table; it is shown if any node has something in it.
type column struct {
	title string
	value func(Node) string
}

func writeTable(w io.Writer, nodes []Node) error {
	columns := []column{
		{"NODE", nodeName},
		{"ADDRESS", func(n Node) string { return joinAddress(n.Address, n.Port) }},
		{"USER", func(n Node) string { return n.User }},
		{"ROLES", func(n Node) string { return strings.Join(n.Roles, ",") }},
		{"ZONE", nodeZone},
		{"DEAD", func(n Node) string { return n.Dead }},
	}
	columns = slices.DeleteFunc(columns, func(c column) bool {
		return !slices.ContainsFunc(nodes, func(n Node) bool { return c.value(n) != "" })
	})
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, row(columns, func(c column) string { return c.title }))
	dead := 0
	for _, n := range nodes {
		fmt.Fprintln(table, row(columns, func(c column) string { return clean(c.value(n), false) }))
		if n.Dead != "" {
			dead++
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	total := count(len(nodes))
	if dead > 0 {
		total += fmt.Sprintf(", %d dead", dead)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", total)
	return err
}

// row joins the cells, a dash for each empty one.
func row(columns []column, cell func(column) string) string {
	cells := make([]string, len(columns))
	for i, c := range columns {
		if cells[i] = cell(c); cells[i] == "" {
			cells[i] = "-"
		}
	}
	return strings.Join(cells, "\t")
}
