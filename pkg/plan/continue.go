package plan

import "slices"

// Continue plans what is left of a plan: its waves, in their order and under their names, less the steps that need not or cannot be taken
// any more. Nodes of r that have a step to take and are in none of its waves come last, in batches. What r says of node is what is true now;
// maxFailures is what is left of the budget. A canary of which no node can be judged any more is made up for from the next wave.
func Continue(old Plan, r Request, maxFailures int) Plan {
	fresh := Plan{}
	open := map[string]Step{}
	for _, step := range fresh.split(r.Nodes) {
		open[step.Node] = step
	}
	p := old
	p.Targets, p.Done, p.MaxFailures, p.Waves = len(r.Nodes), fresh.Done, maxFailures, nil
	for _, wave := range old.Waves {
		steps := wave.Steps
		wave.Steps = nil
		for _, step := range steps {
			if now, ok := open[step.Node]; ok {
				wave.Steps = append(wave.Steps, now)
				delete(open, step.Node)
			}
		}
		if len(wave.Steps) > 0 {
			p.Waves = append(p.Waves, wave)
		}
	}
	p.Waves = withCanary(p.Waves, old.Waves, p.Done)
	var rest []Node
	for _, n := range r.Nodes {
		if _, ok := open[n.Name]; ok {
			rest = append(rest, n)
		}
	}
	batch := max(1, r.Strategy.Batch.Of(len(r.Nodes)))
	if r.Rollback {
		batch = old.Undo
	}
	late := waves((&Plan{}).split(rest), 0, batch)
	for i := range late {
		late[i].Name = "late " + late[i].Name
	}
	p.Waves = slices.Concat(p.Waves, late)
	p.Digest = p.digest()
	return p
}

// withCanary splits a canary off the first wave that is left, if the old plan had one and none of its nodes is done or still to come.
func withCanary(left, old []Wave, done []string) []Wave {
	if len(left) == 0 || len(old) == 0 || !old[0].MustPass || left[0].Name == old[0].Name {
		return left
	}
	canary := old[0]
	if slices.ContainsFunc(canary.Steps, func(s Step) bool { return slices.Contains(done, s.Node) }) {
		return left
	}
	first := left[0]
	size := min(len(canary.Steps), len(first.Steps))
	canary.Steps, first.Steps = first.Steps[:size], first.Steps[size:]
	if len(first.Steps) == 0 {
		return append([]Wave{canary}, left[1:]...)
	}
	return append([]Wave{canary, first}, left[1:]...)
}
