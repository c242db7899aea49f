package pkgmgr

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// pipNode is what of a node decides which files it can use.
type pipNode struct {
	python pep440
	// tags are the wheel tags that its pip accepts; nil if they are not known, and then every wheel counts and pip judges later.
	tags   map[string]bool
	source bool
}

// offers groups the files that the node can use by version. A version is yanked if each of its files is.
func (n pipNode) offers(project string, files []indexFile) []Offer {
	var offers []Offer
	place := map[string]int{}
	for _, f := range files {
		version, ok := n.version(project, f.name)
		if !ok || n.otherPython(f) {
			continue
		}
		key := version.String()
		i, known := place[key]
		if !known {
			place[key] = len(offers)
			offers = append(offers, Offer{Version: key, Pre: !version.final(), Yanked: f.yanked, Reason: f.reason})
			continue
		}
		offers[i].Yanked = offers[i].Yanked && f.yanked
		offers[i].Reason = cmp.Or(offers[i].Reason, f.reason)
	}
	for i := range offers {
		if !offers[i].Yanked {
			offers[i].Reason = ""
		}
	}
	return offers
}

// otherPython tells whether a file wants another Python than the node's.
func (n pipNode) otherPython(f indexFile) bool {
	return len(n.python.release) > 0 && !allows(f.requiresPython, n.python)
}

// refused says which versions there are only for another Python, and why.
func (n pipNode) refused(project string, files []indexFile) map[string]string {
	var refused map[string]string
	for _, f := range files {
		if version, ok := n.version(project, f.name); ok && n.otherPython(f) {
			if refused == nil {
				refused = map[string]string{}
			}
			refused[version.String()] = fmt.Sprintf("it requires Python %s, and the node has %s", f.requiresPython, n.python)
		}
	}
	return refused
}

// version reads the version out of the name of a wheel or a source distribution; false if the node has no use for the file.
func (n pipNode) version(project, file string) (pep440, bool) {
	if stem, ok := strings.CutSuffix(file, ".whl"); ok {
		return n.wheelVersion(project, stem)
	}
	if !n.source {
		return pep440{}, false
	}
	for _, ending := range []string{".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz", ".tar"} {
		if stem, ok := strings.CutSuffix(file, ending); ok {
			return sourceVersion(project, stem)
		}
	}
	return pep440{}, false
}

// buildTag is the optional third part of a wheel's name.
var buildTag = regexp.MustCompile(`^\d`)

// wheelVersion reads NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM, where each of the last three may be several, joined by dots.
func (n pipNode) wheelVersion(project, stem string) (pep440, bool) {
	parts := strings.Split(stem, "-")
	if len(parts) == 6 && buildTag.MatchString(parts[2]) {
		parts = append(parts[:2:2], parts[3:]...)
	}
	if len(parts) != 5 || pypiNormalName(parts[0]) != project || !n.accepts(parts[2], parts[3], parts[4]) {
		return pep440{}, false
	}
	return parsePEP440(strings.ReplaceAll(parts[1], "_", "-"))
}

func (n pipNode) accepts(pythons, abis, platforms string) bool {
	if n.tags == nil {
		return true
	}
	for python := range strings.SplitSeq(pythons, ".") {
		for abi := range strings.SplitSeq(abis, ".") {
			for platform := range strings.SplitSeq(platforms, ".") {
				if n.tags[lowerASCII(python+"-"+abi+"-"+platform)] {
					return true
				}
			}
		}
	}
	return false
}

// sourceVersion reads NAME-VERSION. Old files have dashes in the name, so every dash is tried.
func sourceVersion(project, stem string) (pep440, bool) {
	for i, r := range stem {
		if r == '-' && pypiNormalName(stem[:i]) == project {
			if version, ok := parsePEP440(stem[i+1:]); ok {
				return version, true
			}
		}
	}
	return pep440{}, false
}
