package rollout

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/release"
)

// NoReleaseError says that a rollback has nothing to go to.
type NoReleaseError struct {
	// Service and Environment are those of the rollback, for the next command.
	Service, Environment string
	// Version that was asked for; empty for the predecessor.
	Version string
	// Kept are the versions that the nodes hold.
	Kept []string
}

// Error names what is missing and what is there.
func (e *NoReleaseError) Error() string {
	if e.Version == "" {
		return "nothing to roll back to: no node ran another release of rollpin's before"
	}
	return fmt.Sprintf("no node holds a release of version %s", e.Version)
}

// Hint lists the versions that a rollback could go to, and names the next command.
func (e *NoReleaseError) Hint() string {
	next := fmt.Sprintf("rollpin status %s -e %s", e.Service, e.Environment)
	if e.Version != "" {
		next = fmt.Sprintf("to install it from the index: rollpin deploy %s==%s -e %s", e.Service, e.Version, e.Environment)
	}
	if len(e.Kept) == 0 {
		return next
	}
	return fmt.Sprintf("kept on the nodes: %s; %s", strings.Join(e.Kept, ", "), next)
}

// Targets tells for each node of a rollback which release it goes to; a node that is missing from it is left alone.
//
// With a version, every node goes to the release of that version that most of them have. Without, the release that was activated last is
// undone: every node that runs it returns to what that node ran before, and one that ran nothing before goes where most of the others
// go. A node that runs another release is left alone: the last deployment did not reach it, or it was put back.
func Targets(version string, same func(a, b string) bool, found map[string]Facts) (map[string]string, error) {
	if version != "" {
		return targetsAt(version, same, found)
	}
	undone := activatedLast(found)
	targets, votes := map[string]string{}, map[string]int{}
	for name, facts := range found {
		if !undone[facts.Current] {
			continue
		}
		previous := facts.CurrentRecord().Previous
		targets[name] = previous
		if previous != "" {
			votes[previous]++
		}
	}
	usual := MostVotes(votes)
	if usual == "" {
		return nil, &NoReleaseError{Kept: kept(found)}
	}
	for name, target := range targets {
		targets[name] = cmp.Or(target, usual)
	}
	return targets, nil
}

// activatedLast returns what the newest deployment made current. Nodes may have got it from an earlier run of the same.
func activatedLast(found map[string]Facts) map[string]bool {
	latest := ""
	for _, facts := range found {
		latest = max(latest, facts.CurrentRecord().Deployment)
	}
	releases := map[string]bool{}
	for _, facts := range found {
		if record := facts.CurrentRecord(); latest != "" && record.Deployment == latest {
			releases[facts.Current] = true
		}
	}
	return releases
}

func targetsAt(version string, same func(a, b string) bool, found map[string]Facts) (map[string]string, error) {
	id := Held(version, same, found)
	if id == "" {
		return nil, &NoReleaseError{Version: version, Kept: kept(found)}
	}
	targets := map[string]string{}
	for name := range found {
		targets[name] = id
	}
	return targets, nil
}

// Held returns the release of version that most nodes have; empty if none does. On a tie the first id wins, so that every caller gets the
// same. The function same knows two spellings of one version.
func Held(version string, same func(a, b string) bool, found map[string]Facts) string {
	return elect(version, same, found, Facts.Has)
}

// Running is Held among the nodes that run a release, confirmed.
func Running(version string, same func(a, b string) bool, found map[string]Facts) string {
	return elect(version, same, found, Facts.Runs)
}

// Ahead is Held among the nodes on which the release was staged by itself, and never activated since.
func Ahead(version string, same func(a, b string) bool, found map[string]Facts) string {
	return elect(version, same, found, func(f Facts, id string) bool { return f.Records[id].Ahead && f.Records[id].Deployment == "" })
}

func elect(version string, same func(a, b string) bool, found map[string]Facts, votes func(Facts, string) bool) string {
	count := map[string]int{}
	for _, facts := range found {
		for id := range facts.Records {
			if same(release.VersionOf(id), version) && votes(facts, id) {
				count[id]++
			}
		}
	}
	return MostVotes(count)
}

// MostVotes returns the winner, the first in order on a tie; empty if nobody voted.
func MostVotes(votes map[string]int) string {
	winner := ""
	for _, id := range slices.Sorted(maps.Keys(votes)) {
		if winner == "" || votes[id] > votes[winner] {
			winner = id
		}
	}
	return winner
}

func kept(found map[string]Facts) []string {
	versions := map[string]bool{}
	for _, facts := range found {
		for id := range facts.Records {
			versions[release.VersionOf(id)] = true
		}
	}
	return slices.Sorted(maps.Keys(versions))
}
