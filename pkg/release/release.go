// Package release knows the layout of a service's directory on a node, and builds the scripts that read and change it:
//
//	PATH/current -> releases/2.4.1-3f9a1c2b     switched by rename(2)
//	PATH/releases/2.4.1-3f9a1c2b/               a venv or an npm project, built at this very path
//	PATH/releases/2.4.1-3f9a1c2b/release.json   what it is; written last, so that an interrupted staging never looks like a release
//	PATH/releases/2.4.1-3f9a1c2b/rollpin.lock   the lock that it was made from
//	PATH/releases/2.4.1-3f9a1c2b/rollpin.manifest   every directory, file and link, with modes and digests
//	PATH/.rollpin/confirmed                     the release that was last seen healthy here
//	PATH/.rollpin/guard                         the deployment that is at work here
//	PATH/.rollpin/incoming, outgoing, aside-*   what is on its way, or was left there by a run that ended half way
package release

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Record is release.json: what a release is and where it came from.
type Record struct {
	// Schema is 1.
	Schema  int    `json:"schema"`
	ID      string `json:"id"`
	Service string `json:"service"`
	Package string `json:"package"`
	Manager string `json:"manager"`
	Version string `json:"version"`
	// Platform is the fingerprint of the node that it was installed on, Interpreter the program that it was built for; empty for none.
	Platform    string `json:"platform"`
	Interpreter string `json:"interpreter,omitempty"`
	// Lock is the SHA-256 of the lock, Digest that of the manifest; both in hex.
	Lock   string `json:"lock"`
	Digest string `json:"digest"`
	// Freeze is the digest of what is installed with it, in the layout in-place.
	Freeze string `json:"freeze,omitempty"`
	// Previous is the release that was current and healthy before this one was last activated by a deploy; empty for none.
	Previous string `json:"previous,omitempty"`
	// Deployment is the deployment that last activated this release here; empty if none did.
	Deployment string `json:"deployment,omitempty"`
	// Staged is the deployment that put the release here. Deployment ids sort by time.
	Staged string `json:"staged"`
	// Ahead: it was staged by itself, to be activated by a later deployment.
	Ahead bool `json:"ahead,omitempty"`
}

// Found tells a set of packages that rollpin did not install, but found in a prefix: it has no lock.
func (r Record) Found() bool { return r.Lock == "" }

// schema is that of the records that this rollpin writes; records of a newer one are left alone.
const schema = 1

var idPattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+!_-]*-[0-9a-f]{8}$`)

// ID names a release: VERSION-DIGEST8. The digest is the lock's, in hex, 8 digits or more.
func ID(version, digest string) string { return version + "-" + digest[:8] }

// ValidID tells whether id has the form of a release id, which is also safe as the name of a directory.
func ValidID(id string) bool { return idPattern.MatchString(id) && !strings.Contains(id, "..") }

// VersionOf returns the version in a release id; anything else comes back as it is.
func VersionOf(id string) string {
	if !ValidID(id) {
		return id
	}
	return id[:len(id)-len("-01234567")]
}

// State is what a node's service directory holds.
type State struct {
	// Path is the service's directory with ~ resolved.
	Path string
	// Current is the id that the link current names; empty where there is none.
	Current string
	// Confirmed is the release that was last seen healthy; a switch clears it.
	Confirmed string
	// Switched is when current was made, in seconds since the epoch by the node's clock; 0 if unknown.
	Switched int64
	// Records are the finished releases, by id.
	Records map[string]Record
	// Leftovers are directories of releases that never came to their end, sorted.
	Leftovers []string
	// Debris is what runs that ended half way left under .rollpin: names relative to it, sorted.
	Debris []string
	// Free is the space left, in bytes; -1 if unknown.
	Free int64
	// Guard is the deployment that has the node at the moment, or that left it there; nil for none.
	Guard *Guard
}

// CurrentRecord returns the record of the current release; its zero value where there is none.
func (s State) CurrentRecord() Record { return s.Records[s.Current] }

// Has tells whether the finished release is there.
func (s State) Has(id string) bool {
	_, ok := s.Records[id]
	return ok
}

// Obsolete returns what may be removed so that at most keep releases stay: the longest unused first, never the current one and
// never its predecessor. Leftovers and debris always go.
func (s State) Obsolete(keep int) []string {
	previous := s.CurrentRecord().Previous
	var candidates []Record
	for id, record := range s.Records {
		if id != s.Current && id != previous {
			candidates = append(candidates, record)
		}
	}
	slices.SortFunc(candidates, func(a, b Record) int { return strings.Compare(lastUse(a)+a.ID, lastUse(b)+b.ID) })
	excess := min(max(0, len(s.Records)-keep), len(candidates))
	obsolete := slices.Clone(s.Leftovers)
	for _, name := range s.Debris {
		obsolete = append(obsolete, ".rollpin/"+name)
	}
	for _, record := range candidates[:excess] {
		obsolete = append(obsolete, record.ID)
	}
	return obsolete
}

// Newest returns at most count finished releases: the current one, then those last used.
func (s State) Newest(count int) []Record {
	var records []Record
	for _, record := range s.Records {
		records = append(records, record)
	}
	slices.SortFunc(records, func(a, b Record) int {
		switch s.Current {
		case a.ID:
			return -1
		case b.ID:
			return 1
		}
		return strings.Compare(lastUse(b)+b.ID, lastUse(a)+a.ID)
	})
	return records[:min(count, len(records))]
}

func lastUse(r Record) string { return max(r.Deployment, r.Staged) }

func parseRecord(text string) (Record, error) {
	var record Record
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		return Record{}, fmt.Errorf("reading release.json: %w", err)
	}
	return record, nil
}
