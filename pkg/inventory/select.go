package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/nearest"
	"github.com/rollpin/rollpin/pkg/shell"
)

// Select returns those of nodes that match q, in natural order; where none does, the error is what None returns.
func Select(source string, nodes []Node, q Query) ([]Node, error) {
	var found []Node
	for _, n := range nodes {
		if q.Matches(n) {
			found = append(found, n)
		}
	}
	if len(found) == 0 {
		return nil, None(source, nodes, q)
	}
	Sort(found)
	return found, nil
}

// Matches tells whether q selects n. An empty environment or role selects every one.
func (q Query) Matches(n Node) bool {
	return (q.Environment == "" || n.Environment == q.Environment) && (q.Role == "" || slices.Contains(n.Roles, q.Role))
}

// NoNodesError says that a source has no node for a query, and what it has instead.
type NoNodesError struct {
	Source string
	Query  Query
	// Total is how many nodes the source has.
	Total int
	// Environments are all that the source knows; Roles those that the environment asked for has; both sorted.
	Environments, Roles []string
	// Near are close to the environment, or to the role if the environment is known.
	Near []string
	// Elsewhere are the other environments that have the role.
	Elsewhere []string
	// Reason replaces the explanation, and Fix the hint, where a source knows better.
	Reason, Fix string
}

// None explains why none of nodes, all that source has, matches q.
func None(source string, nodes []Node, q Query) *NoNodesError {
	environments, roles, elsewhere := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, n := range nodes {
		if n.Environment != "" {
			environments[n.Environment] = true
		}
		switch {
		case q.Environment == "" || n.Environment == q.Environment:
			for _, role := range n.Roles {
				roles[role] = true
			}
		case q.Role != "" && slices.Contains(n.Roles, q.Role):
			elsewhere[n.Environment] = true
		}
	}
	e := &NoNodesError{Source: source, Query: q, Total: len(nodes)}
	e.Environments, e.Roles, e.Elsewhere = sortedKeys(environments), sortedKeys(roles), sortedKeys(elsewhere)
	if e.environmentKnown() {
		e.Near = nearest.Nearest(q.Role, e.Roles, 3)
	} else {
		e.Near = nearest.Nearest(q.Environment, e.Environments, 3)
	}
	return e
}

func sortedKeys[V any](set map[string]V) []string {
	return slices.SortedFunc(maps.Keys(set), CompareNames)
}

func (e *NoNodesError) environmentKnown() bool {
	return e.Query.Environment == "" || slices.Contains(e.Environments, e.Query.Environment)
}

// Error tells apart an empty source, an unknown environment and a role that the environment lacks.
func (e *NoNodesError) Error() string {
	switch {
	case e.Reason != "":
		return e.Reason
	case e.Total == 0:
		return e.Source + " has no nodes at all"
	case len(e.Environments) == 0:
		return fmt.Sprintf("%s has %s, but none of them names its environment", e.Source, count(e.Total))
	case !e.environmentKnown():
		return fmt.Sprintf("%s has no environment %q%s; it has %s", e.Source, e.Query.Environment, e.near(), few(e.Environments))
	default:
		return e.unknownRole()
	}
}

func (e *NoNodesError) unknownRole() string {
	where := e.Source
	if e.Query.Environment != "" {
		where = fmt.Sprintf("environment %q of %s", e.Query.Environment, e.Source)
	}
	text := fmt.Sprintf("no node has the role %q in %s%s", e.Query.Role, where, e.near())
	if len(e.Roles) > 0 {
		text += "; roles there are " + few(e.Roles)
	}
	if len(e.Elsewhere) > 0 {
		text += "; nodes with that role are in " + few(e.Elsewhere)
	}
	return text
}

func (e *NoNodesError) near() string {
	if len(e.Near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(e.Near, " or ") + "?"
}

// Hint is the command that shows what there is instead.
func (e *NoNodesError) Hint() string {
	switch {
	case e.Fix != "":
		return e.Fix
	case e.Total == 0 || len(e.Environments) == 0:
		return "add nodes with a name, an address, an environment and roles to " + e.Source
	case e.environmentKnown() && e.Query.Environment != "":
		return "rollpin nodes -e " + argument(e.Query.Environment)
	case e.environmentKnown() || len(e.Near) == 0:
		return "rollpin nodes -e " + argument(e.Environments[0])
	default:
		return "rollpin nodes -e " + argument(e.Near[0])
	}
}

// argument quotes text for a command that people copy, where it needs quotes.
func argument(text string) string {
	if CheckName(text) == nil {
		return text
	}
	if quoted, err := shell.Quote(text); err == nil {
		return quoted
	}
	return "ENV"
}

// few joins names, and counts those over ten.
func few(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

func count(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}
