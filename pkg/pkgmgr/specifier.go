package pkgmgr

import (
	"slices"
	"strings"
)

// specifierOperators are the operators of PEP 440, longer ones before their own beginnings.
var specifierOperators = []string{"===", "~=", "==", "!=", "<=", ">=", "<", ">"}

// allows tells whether a Requires-Python such as ">=3.8,<4" lets version in. What cannot be read is no obstacle, as for pip.
func allows(specifiers string, version pep440) bool {
	for clause := range strings.SplitSeq(specifiers, ",") {
		clause = strings.TrimSpace(clause)
		for _, operator := range specifierOperators {
			if operand, ok := strings.CutPrefix(clause, operator); ok {
				if !satisfies(version, operator, strings.TrimSpace(operand)) {
					return false
				}
				break
			}
		}
	}
	return true
}

func satisfies(version pep440, operator, operand string) bool {
	operand, prefix := strings.CutSuffix(operand, ".*")
	bound, ok := parsePEP440(operand)
	if !ok {
		return true
	}
	if prefix && (operator == "==" || operator == "!=") {
		return hasPrefix(version, bound.release) == (operator == "==")
	}
	c := version.compare(bound)
	switch operator {
	case "==", "===":
		return c == 0
	case "!=":
		return c != 0
	case "<=":
		return c <= 0
	case ">=":
		return c >= 0
	case "<":
		// PEP 440: <3.9 leaves the prereleases of 3.9 out too.
		return c < 0 && (version.final() || !bound.final() || !slices.Equal(version.release, bound.release))
	case ">":
		return c > 0
	default: // "~=": at least the bound, and the same up to the bound's last part but one
		return c >= 0 && hasPrefix(version, bound.release[:max(len(bound.release)-1, 1)])
	}
}

func hasPrefix(version pep440, release []string) bool {
	for i := range release {
		if part(version.release, i) != release[i] {
			return false
		}
	}
	return true
}
