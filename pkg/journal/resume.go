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

// Unfinished returns the newest of all deployments, which are those of one service in one environment, the newest first, if it was to change
// what runs, was no rollback, and did not come to its end: it was killed, interrupted, or left a mixed fleet.
func Unfinished(all []Deployment) (Deployment, bool) {
	last, err := Find(all, "last")
	if err != nil || last.Asked.Command == "rollback" {
		return Deployment{}, false
	}
	return last, !last.Finished() || last.Status == rollout.Mixed || last.Interrupted != ""
}
