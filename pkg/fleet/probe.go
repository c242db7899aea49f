package fleet

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/restart"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

// Probe asks a node, in one command, for its releases, its platform, its package manager and its service.
func (f *Fleet) Probe(ctx context.Context, name string) (rollout.Facts, error) {
	n := f.node(name)
	ctx, cancel := context.WithTimeout(ctx, f.service.Timeouts.Restart)
	defer cancel()
	script, err := shell.Join("probe", release.Probe(f.service.Path), f.manager.Probe(f.source), restart.Probe(f.service.Restart))
	if err != nil {
		return rollout.Facts{}, err
	}
	facts, err := f.run(ctx, n, script)
	if err != nil {
		return rollout.Facts{}, err
	}
	found, err := f.parseFacts(facts)
	if err != nil {
		return rollout.Facts{}, err
	}
	n.facts = found
	n.facts.Records = maps.Clone(found.Records) // the node's own changes with every step; what was found does not
	return found, nil
}

func (f *Fleet) parseFacts(facts shell.Facts) (rollout.Facts, error) {
	state, err := release.ParseState(facts)
	if err != nil {
		return rollout.Facts{}, fmt.Errorf("reading %s: %w", f.service.Path, err)
	}
	found := rollout.Facts{State: state, Platform: facts.Get("platform"), Service: restart.ParseState(facts), Problems: problems(facts)}
	if found.Free < f.service.MinFree {
		found.Problems = append(found.Problems, rollout.Problem{
			Text: fmt.Sprintf("%s has %s free, %s are needed", state.Path, bytes(found.Free), bytes(f.service.MinFree)),
			Hint: "free space there, or lower min_free",
		})
	}
	if current := state.CurrentRecord(); current.Package != "" && current.Package != f.service.Package {
		found.Problems = append(found.Problems, rollout.Problem{
			Text: fmt.Sprintf("%s holds releases of %s, not of %s", state.Path, current.Package, f.service.Package),
			Hint: "give each service a path of its own",
		})
	}
	return found, nil
}

// problems reads the problem facts; a hint belongs to the problem before it.
func problems(facts shell.Facts) []rollout.Problem {
	var found []rollout.Problem
	for _, fact := range facts {
		switch fact.Key {
		case "problem":
			found = append(found, rollout.Problem{Text: fact.Value})
		case "hint":
			if len(found) > 0 {
				found[len(found)-1].Hint = fact.Value
			}
		}
	}
	return found
}

func bytes(n int64) string {
	const kib = 1 << 10
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n/(kib*kib*kib))
	case n >= kib*kib:
		return fmt.Sprintf("%d MiB", n/(kib*kib))
	default:
		return fmt.Sprintf("%d KiB", n/kib)
	}
}

func lastLines(text string, n int) []string {
	lines := strings.Split(strings.TrimRight(text, "\r\n\t "), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines[max(0, len(lines)-n):]
}
