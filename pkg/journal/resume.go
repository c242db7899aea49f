package journal

import (
	"errors"

	"github.com/rollpin/rollpin/pkg/rollout"
)

// Resume returns what the next run of a deployment needs to go on with it. It fails where no plan was made yet.
func (d Deployment) Resume() (rollout.Resume, error) {
	if d.First == nil || d.Release.ID == "" {
		return rollout.Resume{}, errors.New("it ended before there was a plan")
	}
	r := rollout.Resume{Release: d.Release.ID, Plan: *d.First, Spent: d.Spent(), Nodes: map[string]rollout.Earlier{}}
	over := d.Status == rollout.Succeeded || d.Status == rollout.Unchanged
	for i := range d.Nodes {
		if n := &d.Nodes[i]; n.Planned {
			r.Nodes[n.Name] = rollout.Earlier{From: n.From, Previous: n.Previous, To: n.To, Touched: n.Touched, Over: over && n.Healthy}
		}
	}
	return r, nil
}
