package rollout

import "fmt"

// NothingToUndoError says that a deployment which did not come to its end left no node that has to go back.
type NothingToUndoError struct{ Service, Environment, Deployment string }

// Error says so.
func (e *NothingToUndoError) Error() string {
	return fmt.Sprintf("there is nothing to roll back: deployment %s ended before its time, and every node runs what it ran before it", e.Deployment)
}

// Hint names the way further back.
func (e *NothingToUndoError) Hint() string {
	return fmt.Sprintf("to go back further: rollpin rollback %s -e %s --version VERSION; the kept ones: rollpin status %s -e %s -o json", e.Service, e.Environment, e.Service, e.Environment)
}

// targets returns each node of an unfinished deployment to what it ran before; nodes that it did not touch, or that are back, are left alone. A
// node that ran nothing goes where most of the others were. It is not ok where the nodes tell of a later deployment, so that this one is history.
func (u *Resume) targets(id string, found map[string]Facts) (targets map[string]string, ok bool) {
	targets, votes := map[string]string{}, map[string]int{}
	for name, facts := range found {
		if facts.CurrentRecord().Deployment > id {
			return nil, false
		}
		node, known := u.Nodes[name]
		if known && node.From != "" {
			votes[node.From]++
		}
		if known && node.Touched && !facts.Runs(node.From) {
			targets[name] = node.From
		}
	}
	usual := MostVotes(votes)
	for name, to := range targets {
		if to == "" && usual == "" {
			return nil, false // a first deployment: what the nodes have decides
		}
		if to == "" {
			targets[name] = usual
		}
	}
	return targets, true
}
