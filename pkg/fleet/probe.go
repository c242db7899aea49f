package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rollpin/rollpin/pkg/health"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/restart"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

// probeTimeout bounds the first look at a node, log-in included: generous, because a busy node is a slow one and not a dead one.
const probeTimeout = time.Minute

// Probe asks a node, in one command, for its releases, its platform, its package manager and its service.
func (f *Fleet) Probe(ctx context.Context, name string) (rollout.Facts, error) {
	n := f.node(name)
	script, err := shell.Join("probe", f.layout.probe(), f.layout.probeManager(), restart.Probe(f.service.Restart))
	if err != nil {
		return rollout.Facts{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	facts, err := f.run(bounded, n, script)
	if err != nil {
		if bounded.Err() != nil && ctx.Err() == nil {
			return rollout.Facts{}, &rollout.Failure{Class: rollout.Unreachable, Err: err,
				Text: fmt.Sprintf("logged in, but no answer within %s", probeTimeout), Hint: "look what holds the node up: a hung mount, a full process table, no memory"}
		}
		return rollout.Facts{}, err
	}
	found, err := f.parseFacts(n, facts)
	if err != nil {
		return rollout.Facts{}, err
	}
	if err := health.Forbidden(ctx, n.conn, f.service.Health.Checks); err != nil {
		known := failure(n.Name, err)
		found.Problems = append(found.Problems, rollout.Problem{Text: known.Text, Hint: known.Hint})
	}
	n.facts = found
	n.facts.Records = maps.Clone(found.Records) // the node's own changes with every step; what was found does not
	return found, nil
}

func (f *Fleet) parseFacts(n *node, facts shell.Facts) (rollout.Facts, error) {
	state, err := release.ParseState(facts)
	if err != nil {
		return rollout.Facts{}, fmt.Errorf("reading %s: %w", f.service.Path, err)
	}
	found := rollout.Facts{State: state, Platform: facts.Get("platform"), Interpreter: facts.Get("interpreter"), Service: restart.ParseState(facts), Problems: problems(facts)}
	if found.Free >= 0 && found.Free < f.service.MinFree {
		found.Problems = append(found.Problems, rollout.Problem{
			Text: fmt.Sprintf("%s has %s free, %s are needed", state.Path, size(found.Free), size(f.service.MinFree)),
			Hint: "free space there, or lower min_free",
		})
	}
	found.Busy = f.busy(state.Guard)
	f.layout.complete(n, facts, &found)
	if current := found.Current; current != "" && !found.Has(current) {
		found.Problems = append(found.Problems, strayLink(found.State))
	}
	for _, id := range slices.Sorted(maps.Keys(state.Records)) {
		if record := state.Records[id]; record.Package != f.service.Package || record.Manager != f.manager.Name() {
			found.Problems = append(found.Problems, rollout.Problem{
				Text: fmt.Sprintf("%s holds a release of %s (%s), not of %s (%s)",
					state.Path, record.Package, record.Manager, f.service.Package, f.manager.Name()),
				Hint: "give each service a path of its own",
			})
			break
		}
	}
	return found, nil
}

// strayLink is the problem of a current that leads to no release.
func strayLink(s release.State) rollout.Problem {
	return rollout.Problem{
		Text: fmt.Sprintf("%s/current leads to %s, which is no release that rollpin finished", s.Path, s.Current),
		Hint: "if another tool deploys there, use another path; else remove the link on the node, and deploy",
	}
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

// size writes a number of bytes for people.
func size(n int64) string {
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
