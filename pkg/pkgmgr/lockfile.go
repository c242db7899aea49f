package pkgmgr

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// LockFile is one version of a package, resolved for every platform of a fleet, to be deployed later.
type LockFile struct {
	// Schema is 1.
	Schema  int    `json:"schema"`
	Manager string `json:"manager"`
	Package string `json:"package"`
	Version string `json:"version"`
	// Release is the id of the release that it makes.
	Release string `json:"release"`
	// Platforms are the locks in the manager's own format, by the platform of nodes.
	Platforms map[string]string `json:"platforms"`
}

// lockFileSchema is that of the lock files that this rollpin writes.
const lockFileSchema = 1

// Text is the lock file as it is written.
func (l LockFile) Text() (string, error) {
	l.Schema = lockFileSchema
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(l)
	return out.String(), err
}

// ParseLockFile reads a lock file of a manager and a package, and the locks in it.
func ParseLockFile(text string, manager Manager, name string) (LockFile, map[string]Lock, error) {
	var file LockFile
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return LockFile{}, nil, fmt.Errorf("it is no lock file of rollpin: %w", err)
	}
	switch {
	case file.Schema != lockFileSchema:
		return LockFile{}, nil, fmt.Errorf("it has schema %d, and this rollpin reads %d", file.Schema, lockFileSchema)
	case file.Manager != manager.Name() || file.Package != name:
		return LockFile{}, nil, fmt.Errorf("it is for %s (%s), not for %s (%s)", file.Package, file.Manager, name, manager.Name())
	case len(file.Platforms) == 0:
		return LockFile{}, nil, errors.New("it has no platform")
	}
	if _, err := manager.Normalize(file.Version); err != nil {
		return LockFile{}, nil, err
	}
	locks := map[string]Lock{}
	for platform, text := range file.Platforms {
		lock, err := manager.ParseLock(text)
		if err != nil {
			return LockFile{}, nil, fmt.Errorf("platform %s: %w", platform, err)
		}
		locks[platform] = lock
	}
	return file, locks, nil
}

// CombinedDigest makes one digest, hex SHA-256, of the locks of all platforms. Where all have the same lock it is that lock's own.
func CombinedDigest(locks map[string]Lock) string {
	var digests []string
	for _, lock := range locks {
		digests = append(digests, lock.Digest())
	}
	slices.Sort(digests)
	digests = slices.Compact(digests)
	if len(digests) == 1 {
		return digests[0]
	}
	sum := sha256.Sum256([]byte(strings.Join(digests, "\n")))
	return hex.EncodeToString(sum[:])
}

// Change is a package that differs between two locks. From is empty for one that was added, To for one that was removed.
type Change struct {
	Name string `json:"name"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// String is the change in a few words: "+ name 1.0", "- name 1.0", "name 1.0 -> 1.1".
func (c Change) String() string {
	switch {
	case c.From == "":
		return "+ " + c.Name + " " + c.To
	case c.To == "":
		return "- " + c.Name + " " + c.From
	case c.From == c.To:
		return c.Name + " " + c.To + " (another file)"
	}
	return c.Name + " " + c.From + " -> " + c.To
}

// Diff lists what changes from one lock to another: the packages that changed first, then the new ones, then those that go, each by name.
func Diff(from, to Lock) []Change {
	before := map[string]Locked{}
	for _, p := range from.Packages {
		before[p.Name] = p
	}
	var changes []Change
	for _, p := range to.Packages {
		was, there := before[p.Name]
		delete(before, p.Name)
		if !there || was.Version != p.Version || was.Hash != p.Hash {
			changes = append(changes, Change{Name: p.Name, From: was.Version, To: p.Version})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		changes = append(changes, Change{Name: name, From: before[name].Version})
	}
	rank := func(c Change) int {
		switch {
		case c.From == "":
			return 1
		case c.To == "":
			return 2
		}
		return 0
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a.Name, b.Name)) })
	return changes
}
