package pkgmgr

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// tarballSpec is how the private project and its lock name the file of an artifact, which lies in the project while npm works.
const tarballSpec = "file:rollpin-artifact.tgz"

// tarballName is a name without anything that means something to a shell.
var tarballName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*\.(?:tgz|tar\.gz)$`)

// Describe reads package/package.json, as npm pack writes it.
func (n npm) Describe(s Source, name string, content io.ReaderAt, size int64) (Locked, error) {
	if !tarballName.MatchString(name) {
		return Locked{}, fmt.Errorf("%q is no package of npm: expected a .tgz, as npm pack makes it", name)
	}
	about, err := readPackageJSON(io.NewSectionReader(content, 0, size))
	if err != nil {
		return Locked{}, fmt.Errorf("%s is no package of npm: %w", name, err)
	}
	version, err := n.Normalize(about.Version)
	if err != nil {
		return Locked{}, fmt.Errorf("reading %s: %w", name, err)
	}
	if about.Name != s.Package {
		return Locked{}, &OtherPackageError{File: name, Holds: about.Name, Want: s.Package}
	}
	sum := sha512.New()
	if _, err := io.Copy(sum, io.NewSectionReader(content, 0, size)); err != nil {
		return Locked{}, fmt.Errorf("reading %s: %w", name, err)
	}
	return Locked{Name: about.Name, Version: version, Hash: "sha512-" + base64.StdEncoding.EncodeToString(sum.Sum(nil))}, nil
}

type packageJSON struct{ Name, Version string }

func readPackageJSON(content io.Reader) (packageJSON, error) {
	unzipped, err := gzip.NewReader(content)
	if err != nil {
		return packageJSON{}, fmt.Errorf("reading it as gzip: %w", err)
	}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return packageJSON{}, errors.New("it has no package/package.json")
		case err != nil:
			return packageJSON{}, fmt.Errorf("reading it as tar: %w", err)
		case header.Name != "package/package.json":
			continue
		}
		var about packageJSON
		if err := json.NewDecoder(io.LimitReader(archive, maxAbout)).Decode(&about); err != nil {
			return packageJSON{}, fmt.Errorf("reading its package.json: %w", err)
		}
		return about, nil
	}
}
