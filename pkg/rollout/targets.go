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
	// Version that was asked for; empty for the predecessor.
	Version string
	// Kept are the versions that the nodes hold.
	Kept []string
}

// Error names what is missing and what is there.
func (e *NoReleaseError) Error() string {
	if e.Version == "" {
		return "nothing to roll back to: what the nodes run is the first release that rollpin put there"
	}
	return fmt.Sprintf("no node holds a release of version %s", e.Version)
}

// Hint lists the versions that a rollback could go to.
func (e *NoReleaseError) Hint() string {
	if len(e.Kept) == 0 {
		return "deploy a version instead: rollpin deploy SERVICE==VERSION -e ENVIRONMENT"
	}
	return fmt.Sprintf("kept on the nodes: %s; any other version comes by rollpin deploy", strings.Join(e.Kept, ", "))
}

// Targets tells for each node of a rollback which release it goes to; a node that is missing from it is left alone.
//
// With a version, every node goes to the release of that version that most of them hold. Without, the latest deployment is undone: each
// node that it activated returns to the predecessor that it had there. A node that the latest deployment did not reach, or that was put
// back, runs what the fleet ran before it, and is left alone.
func Targets(version string, same func(a, b string) bool, found map[string]Facts) (map[string]string, error) {
	if version != "" {
		return targetsAt(version, same, found)
	}
	latest := ""
	for _, facts := range found {
		latest = max(latest, facts.CurrentRecord().Deployment)
	}
	targets := map[string]string{}
	for name, facts := range found {
		record := facts.CurrentRecord()
		if latest == "" || record.Deployment != latest {
			continue
		}
		if record.Previous == "" {
			return nil, &NoReleaseError{Kept: kept(found)}
		}
		targets[name] = record.Previous
	}
	if len(targets) == 0 {
		return nil, &NoReleaseError{Kept: kept(found)}
	}
	return targets, nil
}

func targetsAt(version string, same func(a, b string) bool, found map[string]Facts) (map[string]string, error) {
	id := MostCommon(version, same, found)
	if id == "" {
		return nil, &NoReleaseError{Version: version, Kept: kept(found)}
	}
	targets := map[string]string{}
	for name := range found {
		targets[name] = id
	}
	return targets, nil
}

// MostCommon returns the release of version that most nodes run, else hold; empty if none does. On a tie the first id wins, so that
// every caller gets the same. The function same knows two spellings of one version.
func MostCommon(version string, same func(a, b string) bool, found map[string]Facts) string {
	const running = 1 << 32 // a node that runs it outweighs all that merely hold it
	votes := map[string]int{}
	for _, facts := range found {
		for id := range facts.Records {
			if !same(release.VersionOf(id), version) {
				continue
			}
			votes[id]++
			if facts.Runs(id) {
				votes[id] += running
			}
		}
	}
	ids := slices.SortedFunc(maps.Keys(votes), func(a, b string) int {
		return cmp.Or(cmp.Compare(votes[b], votes[a]), cmp.Compare(a, b))
	})
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
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
