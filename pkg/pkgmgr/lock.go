package pkgmgr

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/shell"
)

// Lock is the full list of the packages of a release.
type Lock struct {
	// Manager is the name of the manager that made it.
	Manager string
	// Packages are sorted by name.
	Packages []Locked
	// Text is the lock in the manager's own format: a requirements file with hashes, or a package-lock.json. It holds no credentials.
	Text string
}

// Locked is one package of a lock.
type Locked struct {
	// Name is the normalised name (pip), or the path below node_modules, such as "a" or "a/node_modules/b" (npm).
	Name, Version string
	// Hash is that of the file it is installed from: "sha256:HEX" (pip) or "sha512-BASE64" (npm; empty for what comes inside another package).
	Hash string
	// Optional packages may be missing where they do not fit the platform (npm).
	Optional bool
}

// Digest returns the hex SHA-256 of what the lock installs. URLs are not part of it, so that a mirror does not change it.
func (l Lock) Digest() string {
	canonical := l.Manager + "\n"
	for _, p := range l.Packages {
		canonical += fmt.Sprintf("%s %s %s\n", p.Name, p.Version, p.Hash)
	}
	sum := sha256.Sum256([]byte(canonical))
	return hex.EncodeToString(sum[:])
}

func newLock(manager string, packages []Locked, text string) (Lock, error) {
	if len(packages) == 0 {
		return Lock{}, errors.New("the lock is empty")
	}
	slices.SortFunc(packages, func(a, b Locked) int { return strings.Compare(a.Name, b.Name) })
	for i := range packages[1:] {
		if packages[i].Name == packages[i+1].Name {
			return Lock{}, fmt.Errorf("the lock names %s twice", packages[i].Name)
		}
	}
	return Lock{Manager: manager, Packages: packages, Text: text}, nil
}

// compareInstalled compares the facts "installed NAME VERSION" with a lock. Found packages that ignore names are no difference
// unless the lock names them.
func compareInstalled(l Lock, facts shell.Facts, name func(string) string, same func(a, b string) bool, ignore ...string) error {
	found := map[string]string{}
	for _, value := range facts.All("installed") {
		path, version, _ := strings.Cut(value, " ")
		found[name(path)] = version
	}
	var differences []string
	for _, p := range l.Packages {
		version, ok := found[p.Name]
		delete(found, p.Name)
		switch {
		case !ok && !p.Optional:
			differences = append(differences, fmt.Sprintf("%s %s is missing", p.Name, p.Version))
		case ok && !same(version, p.Version):
			differences = append(differences, fmt.Sprintf("%s is %s instead of %s", p.Name, version, p.Version))
		}
	}
	for extra, version := range found {
		if !slices.Contains(ignore, extra) {
			differences = append(differences, fmt.Sprintf("%s %s is not in the lock", extra, version))
		}
	}
	if len(differences) == 0 {
		return nil
	}
	slices.Sort(differences)
	return fmt.Errorf("what is installed differs from the lock: %s", strings.Join(differences, "; "))
}
