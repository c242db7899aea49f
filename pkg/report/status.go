package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// Status is what the nodes of one service run.
type Status struct {
	Service     string               `json:"service"`
	Environment string               `json:"environment"`
	Nodes       []rollout.NodeStatus `json:"nodes"`
	// Good is the last known good release, and when its deployment began; nil for none.
	Good *Good `json:"last_known_good,omitempty"`
}

// Good is the last known good release.
type Good struct {
	Release    string    `json:"release"`
	Deployment string    `json:"deployment"`
	Began      time.Time `json:"began"`
}

// Releases returns the different releases that the nodes which answered run; "" is among them if one runs none.
func (s Status) Releases() []string {
	var releases []string
	for _, n := range s.Nodes {
		if n.Error == "" && !slices.Contains(releases, n.Release) {
			releases = append(releases, n.Release)
		}
	}
	return releases
}

// Well tells whether every node answered, runs the one release and shows no fault.
func (s Status) Well() bool {
	bad := func(n rollout.NodeStatus) bool { return n.Error != "" || n.Release == "" || len(n.Faults) > 0 }
	return len(s.Releases()) == 1 && !slices.ContainsFunc(s.Nodes, bad)
}

// WriteStatusJSON writes one JSON document.
func WriteStatusJSON(w io.Writer, all []Status) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]any{"services": all})
}

// WriteStatus writes, for each service, its releases and the nodes that run them, so that a mixed fleet stands out.
func WriteStatus(w io.Writer, all []Status, color bool) error {
	b := block{style: newStyle(color)}
	for i, s := range all {
		if i > 0 {
			b.add("")
		}
		s.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Status) write(b *block) {
	b.add("%s: %s", b.bold(s.Service+" on "+s.Environment), s.verdict(b.style))
	groups := map[string][]string{}
	for _, n := range s.Nodes {
		groups[groupOf(n)] = append(groups[groupOf(n)], n.Node)
	}
	for _, group := range bySize(groups) {
		b.add("  %-40s %3d  %s", group, len(groups[group]), some(groups[group]))
	}
	if s.Good != nil {
		b.add("  %s", b.dim(fmt.Sprintf("last known good: %s, deployed %s", s.Good.Release, s.Good.Began.UTC().Format("2006-01-02 15:04 UTC"))))
	}
	for _, n := range s.Nodes {
		for _, fault := range n.Faults {
			b.add("  %s %s: %s", b.bad("!"), n.Node, Clean(fault))
		}
	}
	s.writeProblems(b)
	var silent []rollout.NodeStatus
	for _, n := range s.Nodes {
		if n.Error != "" {
			silent = append(silent, n)
		}
	}
	for _, group := range fold(silent, func(n rollout.NodeStatus) (string, string) { return n.Node, n.Error }) {
		b.add("  %s %s: %s", b.bad("!"), some(group.nodes), Clean(group.first.Error))
		if group.first.Hint != "" {
			b.add("    %s %s", b.dim("hint:"), Clean(group.first.Hint))
		}
	}
}

// writeProblems says what would stop a deployment.
func (s Status) writeProblems(b *block) {
	var problems []rollout.NodeProblem
	for _, n := range s.Nodes {
		for _, p := range n.Problems {
			problems = append(problems, rollout.NodeProblem{Node: n.Node, Problem: p})
		}
	}
	for _, group := range fold(problems, func(p rollout.NodeProblem) (string, string) { return p.Node, p.Text + p.Hint }) {
		b.add("  %s %s: not ready for a deployment: %s", b.warn("!"), some(group.nodes), Clean(group.first.Text))
		if group.first.Hint != "" {
			b.add("    %s %s", b.dim("hint:"), Clean(group.first.Hint))
		}
	}
}

func (s Status) verdict(st style) string {
	releases := s.Releases()
	silent := slices.ContainsFunc(s.Nodes, func(n rollout.NodeStatus) bool { return n.Error != "" })
	faulty := slices.ContainsFunc(s.Nodes, func(n rollout.NodeStatus) bool { return len(n.Faults) > 0 })
	switch {
	case len(releases) > 1:
		return st.bad(fmt.Sprintf("mixed, %d releases", len(releases)))
	case len(releases) == 0:
		return st.bad("no node answered")
	case releases[0] == "":
		return "not deployed yet"
	}
	answered := 0
	for _, n := range s.Nodes {
		if n.Error == "" {
			answered++
		}
	}
	text := count(answered) + " on " + release.VersionOf(releases[0])
	switch {
	case faulty:
		return text + ", " + st.bad("not all well")
	case silent:
		return text + ", " + st.warn("not all answered")
	}
	return st.good(text)
}

// groupOf is what nodes are grouped by: the release and its condition.
func groupOf(n rollout.NodeStatus) string {
	if n.Error != "" {
		return unknown
	}
	words := []string{n.Release}
	if n.Release == "" {
		words[0] = nothing
	}
	if n.Healthy != "" {
		words = append(words, n.Healthy)
	} else if n.Service != "" && n.Service != "unknown" {
		words = append(words, n.Service)
	}
	return strings.Join(words, "  ")
}
