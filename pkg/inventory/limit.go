package inventory

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/nearest"
)

// LimitError says what is wrong with --limit or --exclude: a pattern that fits no node, or a selection that leaves none.
type LimitError struct {
	Problems    []string
	Environment string
}

// Error gives the problems, one a line.
func (e *LimitError) Error() string { return strings.Join(e.Problems, "\n") }

// Hint is the command that lists the names.
func (e *LimitError) Hint() string {
	if e.Environment == "" {
		return ""
	}
	return "rollpin nodes -e " + argument(e.Environment)
}

// Limit keeps the nodes that fit limit, all if it is empty, less those that fit exclude. A pattern is a name, a glob such as web-*, or
// zone=GLOB. One that fits no node is an error, for exclude too: somebody wanted to spare a node. So is a selection that leaves nothing.
func Limit(nodes []Node, limit, exclude []string) ([]Node, error) {
	kept, problems := match(nodes, "--limit", limit)
	spared, more := match(nodes, "--exclude", exclude)
	problems = append(problems, more...)

	var left []Node
	for i, n := range nodes {
		if (len(limit) == 0 || kept[i]) && !spared[i] {
			left = append(left, n)
		}
	}
	if len(problems) == 0 && len(left) == 0 {
		problems = append(problems, fmt.Sprintf("--limit and --exclude leave none of %s", count(len(nodes))))
	}
	if len(problems) == 0 {
		return left, nil
	}
	failed := &LimitError{Problems: problems}
	if len(nodes) > 0 {
		failed.Environment = nodes[0].Environment
	}
	return nil, failed
}

// match tells which of nodes fit at least one of patterns.
func match(nodes []Node, flag string, patterns []string) (fits []bool, problems []string) {
	fits = make([]bool, len(nodes))
	for _, pattern := range patterns {
		subject, glob := nodeName, strings.TrimSpace(pattern)
		if zone, ok := strings.CutPrefix(glob, "zone="); ok {
			subject, glob = nodeZone, zone
		}
		if _, err := path.Match(glob, ""); err != nil || glob == "" {
			problems = append(problems, fmt.Sprintf("%s: %q is no name and no glob", flag, pattern))
			continue
		}
		hit := false
		for i, n := range nodes {
			if ok, _ := path.Match(glob, subject(n)); ok {
				fits[i], hit = true, true
			}
		}
		if !hit {
			problems = append(problems, fmt.Sprintf("%s: no node fits %q%s", flag, pattern, suggest(nodes, glob, subject)))
		}
	}
	return fits, problems
}

func nodeName(n Node) string { return n.Name }
func nodeZone(n Node) string { return n.Zone }

func suggest(nodes []Node, glob string, subject func(Node) string) string {
	var have []string
	for _, n := range nodes {
		if s := subject(n); !slices.Contains(have, s) {
			have = append(have, s)
		}
	}
	if near := nearest.Nearest(glob, have, 3); len(near) > 0 {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return "; there are " + few(have)
}
