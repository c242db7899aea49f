package pkgmgr

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/rollpin/rollpin/pkg/shell"
)

// npm installs Node packages: each release is a private project whose one dependency is the package, for only a project's own lock counts.
type npm struct{}

// Name is npm.
func (npm) Name() string { return "npm" }

// Movable is true: node_modules has relative paths alone.
func (npm) Movable() bool { return true }

// npmName is a name, with or without a scope. Capitals are no longer given out, but old packages have them.
const npmName = `(?:@[A-Za-z0-9~][A-Za-z0-9._~-]*/)?[A-Za-z0-9~][A-Za-z0-9._~-]*`

var npmNamePattern = regexp.MustCompile(`^` + npmName + `$`)

// CheckPackage accepts names that npm accepts, with or without a scope.
func (npm) CheckPackage(name string) error {
	if len(name) > 214 || !npmNamePattern.MatchString(name) {
		return fmt.Errorf("%q is no name of an npm package: expected NAME or @SCOPE/NAME of letters, digits, and . - _ ~ after the first", name)
	}
	return nil
}

// Normalize accepts semantic versions with all three parts. Build metadata goes, as it does on a registry.
func (npm) Normalize(version string) (string, error) {
	v, err := semver.StrictNewVersion(strings.TrimSpace(version))
	if err != nil {
		return "", &VersionError{
			Version: version, Reason: "semantic versions have three numbers",
			Accepted: "write it in full, such as 2.4.1 or 2.4.1-rc.1; of dist-tags, one that the registry has",
		}
	}
	plain, err := v.SetMetadata("")
	if err != nil {
		return "", fmt.Errorf("version %q: %w", version, err)
	}
	return plain.String(), nil
}

// Compare orders by semver. What is no version comes first.
func (npm) Compare(a, b string) int {
	v, errV := semver.StrictNewVersion(a)
	w, errW := semver.StrictNewVersion(b)
	switch {
	case errV == nil && errW == nil:
		return v.Compare(w)
	case errV == nil:
		return 1
	case errW == nil:
		return -1
	}
	return strings.Compare(a, b)
}

// Probe asks for node and for npm from 7 on, the first to lock hashes for every platform.
func (npm) Probe(Source) shell.Script {
	return shell.Script{Name: "probe npm", Body: body("npm-probe")}
}

// Offers is npm view.
func (n npm) Offers(s Source) shell.Script {
	vars := append(npmVars(s, manifest(nil)), shell.Var{Name: "package", Value: s.Package})
	return shell.Script{Name: "offers", Vars: vars, Body: body("temporary", "npm", "npm-offers")}
}

// Resolve makes a lockfile and installs nothing.
func (n npm) Resolve(s Source, version string) shell.Script {
	wanted := version
	if s.Artifact != "" {
		wanted = tarballSpec
	}
	vars := append(npmVars(s, manifest(map[string]string{s.Package: wanted})),
		shell.Var{Name: "package", Value: s.Package}, shell.Var{Name: "version", Value: version})
	return shell.Script{Name: "resolve", Vars: vars, Body: body("temporary", "npm", "npm-resolve")}
}

// Install is npm ci, without lifecycle scripts unless they are allowed.
func (n npm) Install(s Source, l Lock, dir string) shell.Script {
	return shell.Script{Name: "install", Vars: installVars(s, l, dir), Body: body("temporary", "npm", "npm-installed", "npm-install")}
}

func installVars(s Source, l Lock, dir string) []shell.Var {
	var file lockfile
	// A Lock comes from ParseResolved or ParseLock; with any other text npm says itself what is wrong with it.
	_ = json.Unmarshal([]byte(l.Text), &file)
	return append(npmVars(s, manifest(file.Packages[""].Dependencies)),
		shell.Var{Name: "lock", Value: l.Text}, shell.Var{Name: "dir", Value: dir}, shell.Var{Name: "scripts", Value: flag(s.AllowScripts)})
}

// Verify tolerates missing optional packages: npm leaves out what does not fit the platform.
func (npm) Verify(l Lock, facts shell.Facts) error {
	name := func(path string) string { return path }
	same := func(a, b string) bool { return a == b }
	return compareInstalled(l, facts, name, same)
}

// manifest is the package.json of the private project. Its name is in a scope, so that it cannot be that of a dependency.
func manifest(dependencies map[string]string) string {
	text, err := json.MarshalIndent(map[string]any{"name": "@rollpin/release", "private": true, "dependencies": dependencies}, "", "  ")
	if err != nil {
		panic(err) // maps of strings always marshal
	}
	return string(text) + "\n"
}

// npmVars are the variables that npm's scripts share: the project's files and the credentials. The .npmrc names the registry and refers to
// the credentials, which stay in the environment.
func npmVars(s Source, manifest string) []shell.Var {
	settings, credentials := npmrc(s)
	return []shell.Var{
		{Name: "manifest", Value: manifest},
		{Name: "artifact", Value: s.Artifact},
		{Name: "npmrc", Value: settings},
		{Name: "credentials", Value: credentials, Secret: true},
		{Name: "password", Value: s.Password, Secret: true},
	}
}

func npmrc(s Source) (settings, credentials string) {
	if s.Index == "" {
		return "", ""
	}
	registry, err := url.Parse(s.Index)
	if err != nil {
		return "registry=" + strconv.Quote(s.Index) + "\n", ""
	}
	user, password := s.User, s.Password
	if inURL := registry.User; inURL != nil && password == "" {
		user = inURL.Username()
		password, _ = inURL.Password()
	}
	registry.User = nil
	settings = "registry=" + strconv.Quote(registry.String()) + "\n"
	if scope, _, ok := strings.Cut(s.Package, "/"); ok {
		settings += scope + ":" + settings
	}
	if password == "" {
		return settings, ""
	}
	// npm keeps credentials by the registry's address without the scheme and with a slash at the end.
	place := "//" + registry.Host + strings.TrimSuffix(registry.Path, "/") + "/"
	if user == "" {
		return settings + place + ":_authToken=${ROLLPIN_NPM_CREDENTIALS}\n", password
	}
	return settings + place + ":_auth=${ROLLPIN_NPM_CREDENTIALS}\n", base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// ParseOffers reads the JSON of npm view. A registry does not yank: npm unpublish removes, npm deprecate only warns.
func (n npm) ParseOffers(facts shell.Facts) (Offers, error) {
	var view struct {
		Versions json.RawMessage   `json:"versions"`
		Tags     map[string]string `json:"dist-tags"`
	}
	if err := json.Unmarshal([]byte(facts.Text("view")), &view); err != nil {
		return Offers{}, fmt.Errorf("reading the answer of npm view: %w", err)
	}
	var versions []string
	if err := json.Unmarshal(view.Versions, &versions); err != nil {
		// npm view writes a list of one as its only element.
		var only string
		if err := json.Unmarshal(view.Versions, &only); err != nil {
			return Offers{}, fmt.Errorf("reading the versions in the answer of npm view: %w", err)
		}
		versions = []string{only}
	}
	offers := Offers{Package: facts.Get("package"), Tags: view.Tags}
	for _, version := range versions {
		if v, err := semver.StrictNewVersion(version); err == nil {
			offers.Versions = append(offers.Versions, Offer{Version: version, Pre: v.Prerelease() != ""})
		}
	}
	return offers, nil
}

// ParseResolved reads the lockfile, sent as it is.
func (n npm) ParseResolved(facts shell.Facts) (Lock, error) {
	return n.ParseLock(facts.Text("lock") + "\n")
}

// lockfile is what matters of a package-lock.json of version 2 or 3.
type lockfile struct {
	Version  int                       `json:"lockfileVersion"`
	Packages map[string]lockfileRecord `json:"packages"`
}

type lockfileRecord struct {
	Version      string            `json:"version"`
	Resolved     string            `json:"resolved"`
	Integrity    string            `json:"integrity"`
	Link         bool              `json:"link"`
	InBundle     bool              `json:"inBundle"`
	Optional     bool              `json:"optional"`
	DevOptional  bool              `json:"devOptional"`
	Dependencies map[string]string `json:"dependencies"`
}

// ParseLock reads a package-lock.json and refuses what no hash pins.
func (npm) ParseLock(text string) (Lock, error) {
	var file lockfile
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		return Lock{}, fmt.Errorf("reading package-lock.json: %w", err)
	}
	if file.Version != 2 && file.Version != 3 {
		return Lock{}, fmt.Errorf("package-lock.json has version %d, and 2 or 3 is needed: npm must be 7 or newer", file.Version)
	}
	var packages []Locked
	for path, record := range file.Packages {
		if path == "" {
			continue
		}
		if record.Resolved == tarballSpec && file.Packages[""].Dependencies[strings.TrimPrefix(path, "node_modules/")] == tarballSpec {
			record.Resolved = "" // the artifact that the project itself was made for, and no dependency's own file
		}
		p, err := record.locked(path)
		if err != nil {
			return Lock{}, fmt.Errorf("package-lock.json: %s: %w", cmp.Or(strings.TrimPrefix(path, "node_modules/"), path), err)
		}
		packages = append(packages, p)
	}
	return newLock("npm", packages, text)
}

var (
	modulePath = regexp.MustCompile(`^node_modules/` + npmName + `(?:/node_modules/` + npmName + `)*$`)
	integrity  = regexp.MustCompile(`^[A-Za-z0-9]+-[A-Za-z0-9+/=]+(?: [A-Za-z0-9]+-[A-Za-z0-9+/=]+)*$`)
)

func (r lockfileRecord) locked(path string) (Locked, error) {
	address, err := url.Parse(r.Resolved)
	switch {
	case r.Link || !modulePath.MatchString(path) || strings.HasPrefix(r.Resolved, "file:"):
		return Locked{}, errors.New("it is a folder or a file, not a package of a registry: publish it and depend on its version")
	case err != nil || address.User != nil && strings.HasPrefix(r.Resolved, "http"):
		return Locked{}, errors.New("its address is wrong or holds credentials: publish it on the registry and depend on its version")
	case r.Integrity == "" && !r.InBundle:
		return Locked{}, errors.New("no hash pins it, as for what comes from git: publish it on the registry and depend on its version")
	case r.Integrity != "" && !integrity.MatchString(r.Integrity):
		return Locked{}, fmt.Errorf("%q is no integrity", r.Integrity)
	}
	if _, err := semver.StrictNewVersion(r.Version); err != nil {
		return Locked{}, fmt.Errorf("%q is no version", r.Version)
	}
	return Locked{
		Name: strings.TrimPrefix(path, "node_modules/"), Version: r.Version, Hash: r.Integrity, Optional: r.Optional || r.DevOptional,
	}, nil
}
