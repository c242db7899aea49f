package pkgmgr

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// pep440 is one version of a Python package, as PEP 440 defines it. Numbers are digits without leading zeros: some projects
// number by date and time, and those do not fit in an int.
type pep440 struct {
	epoch   string
	release []string
	// pre is "a", "b", "rc" or empty; preN, post and dev are numbers, post and dev empty where there is none.
	pre, preN, post, dev string
	local                []string
}

// pep440Pattern is the permissive grammar of PEP 440, after lower-casing. Groups: epoch, release, pre and its number, implicit post,
// post and its number, dev and its number, local.
var pep440Pattern = regexp.MustCompile(`^v?(?:(\d+)!)?(\d+(?:\.\d+)*)` +
	`(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?` +
	`(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?` +
	`(?:[-_.]?(dev)[-_.]?(\d*))?` +
	`(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$`)

// preSpelling maps every spelling of a prerelease to the normal one.
func preSpelling(s string) string {
	switch s {
	case "alpha":
		return "a"
	case "beta":
		return "b"
	case "c", "pre", "preview":
		return "rc"
	}
	return s
}

func parsePEP440(version string) (pep440, bool) {
	m := pep440Pattern.FindStringSubmatch(lowerASCII(strings.TrimSpace(version)))
	if m == nil {
		return pep440{}, false
	}
	v := pep440{epoch: number(m[1]), pre: preSpelling(m[3])}
	for part := range strings.SplitSeq(m[2], ".") {
		v.release = append(v.release, number(part))
	}
	if v.pre != "" {
		v.preN = number(m[4])
	}
	if m[5] != "" || m[6] != "" {
		v.post = number(m[5] + m[7])
	}
	if m[8] != "" {
		v.dev = number(m[9])
	}
	if m[10] != "" {
		v.local = strings.FieldsFunc(m[10], func(r rune) bool { return strings.ContainsRune("-_.", r) })
		for i, part := range v.local {
			if isNumber(part) {
				v.local[i] = number(part)
			}
		}
	}
	return v, true
}

// lowerASCII lower-cases ASCII letters alone: strings.ToLower would make an ASCII k of the Kelvin sign.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// number strips leading zeros; an absent number counts as 0.
func number(digits string) string { return cmp.Or(strings.TrimLeft(digits, "0"), "0") }

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// String returns the normal form.
func (v pep440) String() string {
	var text strings.Builder
	if v.epoch != "0" {
		text.WriteString(v.epoch + "!")
	}
	text.WriteString(strings.Join(v.release, ".") + v.pre + v.preN)
	if v.post != "" {
		text.WriteString(".post" + v.post)
	}
	if v.dev != "" {
		text.WriteString(".dev" + v.dev)
	}
	if len(v.local) > 0 {
		text.WriteString("+" + strings.Join(v.local, "."))
	}
	return text.String()
}

// final tells whether v is neither a prerelease nor a development version.
func (v pep440) final() bool { return v.pre == "" && v.dev == "" }

func (v pep440) compare(w pep440) int {
	return cmp.Or(
		compareNumbers(v.epoch, w.epoch),
		compareReleases(v.release, w.release),
		cmp.Compare(v.phase(), w.phase()),
		compareNumbers(v.preN, w.preN),
		compareNumbers(v.post, w.post),
		compareDev(v.dev, w.dev),
		compareLocals(v.local, w.local),
	)
}

// phase orders what comes before a final release: 1.0.dev1 < 1.0a1 < 1.0b1 < 1.0rc1 < 1.0.
func (v pep440) phase() int {
	switch {
	case v.pre == "" && v.post == "" && v.dev != "":
		return 0
	case v.pre == "":
		return 4
	}
	return 1 + slices.Index([]string{"a", "b", "rc"}, v.pre)
}

// compareNumbers compares digits without leading zeros; no number at all is the least.
func compareNumbers(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }

// compareReleases takes missing parts as 0: 1.0 is 1.0.0.
func compareReleases(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if c := compareNumbers(part(a, i), part(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

func part(release []string, i int) string {
	if i < len(release) {
		return release[i]
	}
	return "0"
}

// compareDev puts a development version before the release that it leads to.
func compareDev(a, b string) int {
	if (a == "") != (b == "") {
		return len(b) - len(a)
	}
	return compareNumbers(a, b)
}

// compareLocals puts numbers after words, and a longer label after its own beginning.
func compareLocals(a, b []string) int {
	return slices.CompareFunc(a, b, func(x, y string) int {
		switch numX, numY := isNumber(x), isNumber(y); {
		case numX && numY:
			return compareNumbers(x, y)
		case numX:
			return 1
		case numY:
			return -1
		}
		return strings.Compare(x, y)
	})
}
