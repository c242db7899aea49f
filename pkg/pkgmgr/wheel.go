package pkgmgr

import (
	"archive/zip"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// wheelName is NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl, as pip reads it. Nothing in it means anything to a shell or to pip's options.
var wheelName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._]*)-([A-Za-z0-9][A-Za-z0-9._!+]*)(?:-[0-9][A-Za-z0-9._]*)?(?:-[A-Za-z0-9_.]+){3}\.whl$`)

// maxAbout bounds what is read of a package's description of itself, in bytes.
const maxAbout = 16 << 20

// Describe reads a wheel's METADATA, which must say what its file's name says.
func (p pip) Describe(s Source, name string, content io.ReaderAt, size int64) (Locked, error) {
	parts := wheelName.FindStringSubmatch(name)
	if parts == nil {
		return Locked{}, fmt.Errorf("%q is no wheel: expected NAME-VERSION-PYTHON-ABI-PLATFORM.whl, as pip wheel and python -m build name it", name)
	}
	says, version, err := readMetadata(content, size)
	if err != nil {
		return Locked{}, fmt.Errorf("%s is no wheel: %w", name, err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(content, 0, size)); err != nil {
		return Locked{}, fmt.Errorf("reading %s: %w", name, err)
	}
	found, err := pipLocked(says, version, hex.EncodeToString(sum.Sum(nil)))
	switch {
	case err != nil:
		return Locked{}, fmt.Errorf("reading %s: %w", name, err)
	case pypiNormalName(parts[1]) != found.Name || p.Compare(parts[2], found.Version) != 0:
		return Locked{}, fmt.Errorf("%s holds %s %s: its name is another one, and pip does not take such a file", name, says, version)
	case found.Name != pypiNormalName(s.Package):
		return Locked{}, &OtherPackageError{File: name, Holds: says, Want: s.Package}
	}
	return found, nil
}

// readMetadata reads name and version from NAME-VERSION.dist-info/METADATA.
func readMetadata(content io.ReaderAt, size int64) (name, version string, err error) {
	archive, err := zip.NewReader(content, size)
	if err != nil {
		return "", "", fmt.Errorf("reading it as zip: %w", err)
	}
	for _, file := range archive.File {
		if folder, inner, _ := strings.Cut(file.Name, "/"); inner != "METADATA" || !strings.HasSuffix(folder, ".dist-info") {
			continue
		}
		text, err := file.Open()
		if err != nil {
			return "", "", fmt.Errorf("reading its METADATA: %w", err)
		}
		defer text.Close()
		return readHeader(io.LimitReader(text, maxAbout))
	}
	return "", "", errors.New("it has no METADATA")
}

// readHeader reads the fields at the beginning of a METADATA file; the description after the empty line is not looked at.
func readHeader(text io.Reader) (name, version string, err error) {
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, maxAbout)
	for lines.Scan() && strings.TrimSpace(lines.Text()) != "" {
		switch key, value, _ := strings.Cut(lines.Text(), ":"); strings.ToLower(key) {
		case "name":
			name = strings.TrimSpace(value)
		case "version":
			version = strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil {
		return "", "", fmt.Errorf("reading its METADATA: %w", err)
	}
	return name, version, nil
}

// OtherPackageError says that a file holds another package than the service's.
type OtherPackageError struct{ File, Holds, Want string }

// Error names both.
func (e *OtherPackageError) Error() string {
	return fmt.Sprintf("%s holds %s, and the service's package is %s", e.File, e.Holds, e.Want)
}

// Hint tells where the package is named.
func (e *OtherPackageError) Hint() string {
	return "name the right file, or the package: package: " + e.Holds
}
