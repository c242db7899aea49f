package journal

import (
	"fmt"
	"strings"

	"github.com/rollpin/rollpin/pkg/nearest"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// candidates is how many deployments an error names.
const candidates = 5

// UnknownError says that no deployment is meant by Ref, which is last or the beginning of an id.
type UnknownError struct {
	Ref string
	// Candidates are what may have been meant, the newest first.
	Candidates []Deployment
}

// Error names what was asked for.
func (e *UnknownError) Error() string {
	if e.Ref == "last" {
		return "there is no deployment yet"
	}
	return fmt.Sprintf("there is no deployment %q", e.Ref)
}

// Hint names the candidates.
func (e *UnknownError) Hint() string { return known(e.Candidates) }

// AmbiguousError says that several deployments have an id that begins with Ref.
type AmbiguousError struct {
	Ref        string
	Candidates []Deployment
}

// Error counts them.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%q is the beginning of %d deployments", e.Ref, len(e.Candidates))
}

// Hint names them.
func (e *AmbiguousError) Hint() string { return known(e.Candidates) }

func known(all []Deployment) string {
	var lines []string
	for _, d := range all[:min(candidates, len(all))] {
		lines = append(lines, fmt.Sprintf("%s  %s on %s", d.ID, d.Title(), d.Environment))
	}
	if more := len(all) - candidates; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more: rollpin history", more))
	}
	return strings.Join(lines, "\n")
}

// Title says what a deployment is in a few words: "deploy api 1.4.0".
func (d Deployment) Title() string {
	words := []string{d.Asked.Command, d.Service, d.Release.Version}
	if d.Release.Version == "" {
		words[2] = d.Asked.Version
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// Find returns the deployment that ref means among all, which are the newest first: last is the newest that is neither a dry run nor a mere
// stage, anything else the beginning of one id, in any case. It fails with an *UnknownError or an *AmbiguousError.
func Find(all []Deployment, ref string) (Deployment, error) {
	if ref == "last" {
		for _, d := range all {
			if d.activates() {
				return d, nil
			}
		}
		return Deployment{}, &UnknownError{Ref: ref}
	}
	var found []Deployment
	for _, d := range all {
		if d.ID == ref {
			return d, nil
		}
		if len(ref) <= len(d.ID) && ref != "" && strings.EqualFold(d.ID[:len(ref)], ref) {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return Deployment{}, &UnknownError{Ref: ref, Candidates: near(all, ref)}
	case 1:
		return found[0], nil
	}
	return Deployment{}, &AmbiguousError{Ref: ref, Candidates: found}
}

// near returns the deployments whose ids are close to ref; the newest where none is.
func near(all []Deployment, ref string) []Deployment {
	byID := map[string]Deployment{}
	var ids []string
	for _, d := range all {
		byID[d.ID] = d
		ids = append(ids, d.ID)
	}
	var found []Deployment
	for _, id := range nearest.Nearest(ref, ids, candidates) {
		found = append(found, byID[id])
	}
	if len(found) == 0 {
		found = all[:min(candidates, len(all))]
	}
	return found
}

// activates tells that it was to change what runs.
func (d Deployment) activates() bool { return !d.Asked.DryRun && d.Asked.Command != "stage" }

// LastGood returns the deployment whose release is the last known good one: of all, which are those of one service in one environment, the
// newest first, the first that ended with every node of the role on one release, and that no rollback has left since. False means that
// there is none.
func LastGood(all []Deployment) (Deployment, bool) {
	left := map[string]bool{}
	for _, d := range all {
		if d.good() && !left[d.Release.ID] {
			return d, true
		}
		if d.Asked.Command == "rollback" {
			d.leaves(left)
		}
	}
	return Deployment{}, false
}

// leaves adds the releases that a rollback took nodes away from: somebody found them bad, even if not every node could go back.
func (d Deployment) leaves(releases map[string]bool) {
	for i := range d.Nodes {
		if n := &d.Nodes[i]; n.Touched && n.From != n.To {
			releases[n.From] = true
		}
	}
}

func (d Deployment) good() bool {
	ended := d.Status == rollout.Succeeded || d.Status == rollout.Unchanged
	if !ended || !d.activates() || d.Asked.Partial || d.Release.ID == "" {
		return false
	}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		if n.Known && n.Runs != d.Release.ID || !n.Skipped && (!n.Known || n.To != d.Release.ID) {
			return false
		}
	}
	return len(d.Nodes) > 0
}
