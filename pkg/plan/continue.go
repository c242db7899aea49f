package plan

import "slices"

// Continue plans what is left of a plan: its waves, in their order and under their names, less the steps that need not or cannot be taken
// any more. Nodes of r that have a step to take and are in none of its waves come last, in batches. What r says of node is what is true now;
// maxFailures is what is left of the budget.
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
	var rest []Node
	for _, n := range r.Nodes {
		if _, ok := open[n.Name]; ok {
			rest = append(rest, n)
		}
	}
	late := waves((&Plan{}).split(rest), 0, max(1, r.Strategy.Batch.Of(len(r.Nodes))))
	for i := range late {
		late[i].Name = "late " + late[i].Name
	}
	p.Waves = slices.Concat(p.Waves, late)
	p.Digest = p.digest()
	return p
}
