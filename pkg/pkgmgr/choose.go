package pkgmgr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/nearest"
)

// Offers is what an index has of one package that the asking node can use.
type Offers struct {
	Package string
	// Versions are normalised, each once, in no order.
	Versions []Offer
	// Tags are npm's dist-tags: name to version.
	Tags map[string]string
	// Refused are versions that the index has but the node cannot use, each with the reason.
	Refused map[string]string
}

// Offer is one version.
type Offer struct {
	Version string
	// Pre is a prerelease or a development version, never chosen unless it is asked for.
	Pre bool
	// Yanked says that its maker withdrew it (PEP 592), with the Reason that was given, if any.
	Yanked bool
	Reason string
}

// nearestShown is how many versions an error names.
const nearestShown = 5

// Choose picks the version to deploy. Without a want it is the newest final version that was not yanked; for npm the one that the dist-tag
// latest stands for, as npm does, unless that is a prerelease. Otherwise want is a version or an npm dist-tag.
// Errors: *VersionError, *NoVersionError, *YankedError.
func Choose(m Manager, o Offers, want string, allowYanked bool) (string, error) {
	if want == "" {
		return newest(m, o)
	}
	if version, ok := o.Tags[want]; ok {
		want = version
	}
	version, err := m.Normalize(want)
	if err != nil {
		if names := nearest.Nearest(want, tagNames(o), nearestShown); len(names) > 0 {
			return "", &NoVersionError{Package: o.Package, Want: want, Nearest: names}
		}
		return "", err
	}
	i := slices.IndexFunc(o.Versions, func(offer Offer) bool { return m.Compare(offer.Version, version) == 0 })
	if i < 0 {
		return "", &NoVersionError{Package: o.Package, Want: version, Reason: o.Refused[version], Nearest: neighbours(m, o, version)}
	}
	offer := o.Versions[i]
	if offer.Yanked && !allowYanked {
		return "", &YankedError{Package: o.Package, Version: offer.Version, Reason: offer.Reason}
	}
	return offer.Version, nil
}

func newest(m Manager, o Offers) (string, error) {
	eligible := slices.DeleteFunc(slices.Clone(o.Versions), func(offer Offer) bool { return offer.Pre || offer.Yanked })
	for _, offer := range eligible {
		if offer.Version == o.Tags["latest"] {
			return offer.Version, nil
		}
	}
	if len(eligible) == 0 {
		sorted := ordered(m, o)
		slices.Reverse(sorted)
		return "", &NoVersionError{Package: o.Package, Nearest: sorted[:min(len(sorted), nearestShown)]}
	}
	return slices.MaxFunc(eligible, func(a, b Offer) int { return m.Compare(a.Version, b.Version) }).Version, nil
}

// neighbours returns the versions around the place where the missing one would stand: oldest first, up to two newer ones.
func neighbours(m Manager, o Offers, missing string) []string {
	sorted := ordered(m, o)
	place, _ := slices.BinarySearchFunc(sorted, missing, m.Compare)
	to := min(place+2, len(sorted))
	from := max(to-nearestShown, 0)
	return sorted[from:min(from+nearestShown, len(sorted))]
}

func ordered(m Manager, o Offers) []string {
	var versions []string
	for _, offer := range o.Versions {
		versions = append(versions, offer.Version)
	}
	slices.SortFunc(versions, m.Compare)
	return versions
}

func tagNames(o Offers) []string {
	var names []string
	for name := range o.Tags {
		names = append(names, name)
	}
	return names
}

// VersionError says that a text is no version.
type VersionError struct{ Version, Reason, Accepted string }

// Error names the version and the reason.
func (e *VersionError) Error() string {
	return fmt.Sprintf("%q is no version: %s", e.Version, e.Reason)
}

// Hint says what is accepted.
func (e *VersionError) Hint() string { return e.Accepted }

// NoVersionError says that the index does not offer what was asked for.
type NoVersionError struct {
	Package string
	// Want is the version or the dist-tag; empty if any final version would have done.
	Want string
	// Reason is why this node cannot have it; empty where the index has no such version.
	Reason string
	// Nearest are up to 5 versions or dist-tags that there are.
	Nearest []string
}

// Error names the package and the version.
func (e *NoVersionError) Error() string {
	if e.Want == "" {
		return fmt.Sprintf("the index offers no final version of %s that this node can use", e.Package)
	}
	if e.Reason != "" {
		return fmt.Sprintf("the index does not offer %s %s to this node: %s", e.Package, e.Want, e.Reason)
	}
	return fmt.Sprintf("the index does not offer %s %s to this node", e.Package, e.Want)
}

// Hint names the versions that there are.
func (e *NoVersionError) Hint() string {
	if len(e.Nearest) == 0 {
		return "publish it first, name its file (--artifact FILE), or see whether this node can use it: its Python, its platform, source distributions (allow_source)"
	}
	if e.Want == "" {
		return "name one of " + strings.Join(e.Nearest, ", ")
	}
	return "near it are " + strings.Join(e.Nearest, ", ") + "; a file that no index has is named by --artifact FILE"
}

// YankedError says that the version's maker withdrew it.
type YankedError struct{ Package, Version, Reason string }

// Error names the version and the reason that its maker gave.
func (e *YankedError) Error() string {
	reason := e.Reason
	if reason == "" {
		reason = "no reason given"
	}
	return fmt.Sprintf("%s %s was yanked: %s", e.Package, e.Version, reason)
}

// Hint names the way around.
func (e *YankedError) Hint() string { return "deploy another version, or add --allow-yanked" }
