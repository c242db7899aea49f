package pkgmgr

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/rollpin/rollpin/pkg/shell"
)

// archive is for what no package manager installs: a tar or zip file whose content is the release.
type archive struct{}

// Name is archive.
func (archive) Name() string { return "archive" }

// Movable is true: what is in an archive does not know where it will stand.
func (archive) Movable() bool { return true }

// CheckPackage accepts the names of the other managers: it names what is deployed, and no file.
func (archive) CheckPackage(name string) error {
	if len(name) > 214 || !npmNamePattern.MatchString(name) {
		return fmt.Errorf("%q is no name of a package: expected letters, digits, and . - _ ~ after the first", name)
	}
	return nil
}

// archiveVersion is what may stand in the name of a directory; release.ValidID has the same form.
var archiveVersion = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+!_-]{0,99}$`)

// Normalize takes a version as it is: nothing is known of how those of archives are written.
func (archive) Normalize(version string) (string, error) {
	if !archiveVersion.MatchString(version) || strings.Contains(version, "..") {
		return "", &VersionError{
			Version: version, Reason: "it becomes the name of a directory",
			Accepted: "up to 100 letters, digits, and . + ! _ - after the first, without two dots in a row, such as 2.4.1",
		}
	}
	return version, nil
}

// Compare orders by bytes, which tells equal from different and no more.
func (archive) Compare(a, b string) int { return strings.Compare(a, b) }

// Probe asks for the tools that unpack and verify.
func (archive) Probe(Source) shell.Script {
	return shell.Script{Name: "probe archive", Body: body("archive-probe")}
}

// ArchiveLock is the lock of an archive: one line with the package's name, its version and the SHA-256 of the file, in hex.
func ArchiveLock(name, version, sha256 string) (Lock, error) {
	return archive{}.ParseLock(name + " " + version + " sha256:" + sha256 + "\n")
}

// ParseLock reads what ArchiveLock wrote.
func (a archive) ParseLock(text string) (Lock, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return Lock{}, errors.New("the lock of an archive is not one line, NAME VERSION sha256:HEX")
	}
	if err := a.CheckPackage(fields[0]); err != nil {
		return Lock{}, err
	}
	if _, err := a.Normalize(fields[1]); err != nil {
		return Lock{}, err
	}
	if digest, ok := strings.CutPrefix(fields[2], "sha256:"); !ok || !sha256Hex.MatchString(digest) {
		return Lock{}, fmt.Errorf("%q is no SHA-256", fields[2])
	}
	return newLock("archive", []Locked{{Name: fields[0], Version: fields[1], Hash: fields[2]}}, text)
}
