package pkgmgr

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/rollpin/rollpin/pkg/shell"
)

// pip installs Python packages, each release into a venv of its own (PEP 668 lets pip do so everywhere).
type pip struct{}

// Name is pip.
func (pip) Name() string { return "pip" }

// Movable is false: the scripts of a venv begin with its path.
func (pip) Movable() bool { return false }

// pypiName is the name of a project, PEP 508.
var pypiName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// CheckPackage accepts names as PEP 508 has them.
func (pip) CheckPackage(name string) error {
	if pypiName.MatchString(name) {
		return nil
	}
	if base, _, ok := strings.Cut(name, "["); ok && pypiName.MatchString(base) {
		return fmt.Errorf("%q has extras: name the package alone, and make what the extras need its dependencies", name)
	}
	return fmt.Errorf("%q is no name of a Python package: expected letters, digits, and . - _ between them", name)
}

var nameSeparators = regexp.MustCompile(`[-_.]+`)

// pypiNormalName is the form in which names are compared, PEP 503.
func pypiNormalName(name string) string {
	return lowerASCII(nameSeparators.ReplaceAllString(name, "-"))
}

// Normalize returns the normal form of PEP 440: 2021.07.21 becomes 2021.7.21, 1.0.0.rc0 becomes 1.0.0rc0.
func (pip) Normalize(version string) (string, error) {
	v, ok := parsePEP440(version)
	if !ok {
		return "", &VersionError{
			Version: version, Reason: oddity(version),
			Accepted: "write it as PEP 440 has it, such as 2.4.1, 2.4.1rc1, 2.4.1.post1 or 2.4.1+local",
		}
	}
	return v.String(), nil
}

func oddity(version string) string {
	switch {
	case strings.TrimSpace(version) == "":
		return "it is empty"
	case strings.HasPrefix(strings.TrimSpace(version), "==="):
		return "=== compares letter by letter, and rollpin has to tell older from newer"
	case strings.ContainsAny(version, "<>=~*,"):
		return "it is a range, and a deployment needs one exact version"
	}
	return "PEP 440 cannot order it"
}

// Compare orders by PEP 440. What is no version comes first.
func (pip) Compare(a, b string) int {
	v, okV := parsePEP440(a)
	w, okW := parsePEP440(b)
	switch {
	case okV && okW:
		return v.compare(w)
	case okV:
		return 1
	case okW:
		return -1
	}
	return strings.Compare(a, b)
}

// Probe asks for an interpreter from 3.7 on, its venv module, and a pip that can serve a venv.
func (pip) Probe(s Source) shell.Script {
	return shell.Script{Name: "probe pip", Vars: []shell.Var{{Name: "python", Value: s.python()}}, Body: body("pip-probe")}
}

// Offers fetches the project's pages from the indexes (PEP 503, PEP 691).
func (pip) Offers(s Source) shell.Script {
	vars := append(pipVars(s), shell.Var{Name: "package", Value: pypiNormalName(s.Package)})
	return shell.Script{Name: "offers", Vars: vars, Body: body("pip-offers")}
}

// Resolve is pip's dry run with a report.
func (pip) Resolve(s Source, version string) shell.Script {
	vars := append(pipVars(s), shell.Var{Name: "package", Value: s.Package}, shell.Var{Name: "version", Value: version},
		shell.Var{Name: "artifact_hash", Value: strings.TrimPrefix(s.Described.Hash, "sha256:")})
	return shell.Script{Name: "resolve", Vars: vars, Body: body("temporary", "pip", "pip-resolve")}
}

// Install makes a venv and lets pip install the lock into it, by hashes and without looking for dependencies.
func (pip) Install(s Source, l Lock, dir string) shell.Script {
	vars := append(pipVars(s), shell.Var{Name: "lock", Value: l.Text}, shell.Var{Name: "dir", Value: dir})
	return shell.Script{Name: "install", Vars: vars, Body: body("temporary", "pip", "pip-installed", "pip-install")}
}

// Verify tolerates the packages that ensurepip puts into a venv.
func (p pip) Verify(l Lock, facts shell.Facts) error {
	same := func(a, b string) bool { return p.Compare(a, b) == 0 }
	return compareInstalled(l, facts, pypiNormalName, same, "pip", "setuptools", "wheel", "pkg-resources")
}

// pipVars are the variables that pip's scripts share. Credentials are part of the index's URL, which reaches pip through its environment;
// they are also listed by themselves, in every spelling, so that they are struck out wherever they may be printed.
func pipVars(s Source) []shell.Var {
	vars := []shell.Var{
		{Name: "python", Value: s.python()},
		{Name: "source", Value: flag(s.AllowSource)},
		{Name: "trusted", Value: trustedHost(s.Index)},
		{Name: "artifact", Value: s.Artifact},
	}
	address, err := url.Parse(s.Index)
	if err != nil || s.Index == "" {
		return append(vars, shell.Var{Name: "index", Value: s.Index, Secret: true})
	}
	if s.User != "" || s.Password != "" {
		address.User = url.UserPassword(s.User, s.Password)
	}
	index := shell.Var{Name: "index", Value: address.String()}
	password, ok := address.User.Password()
	if !ok {
		return append(vars, index)
	}
	index.Secret = true
	_, encoded, _ := strings.Cut(address.User.String(), ":")
	return append(vars, index,
		shell.Var{Name: "password", Value: password, Secret: true},
		shell.Var{Name: "encoded", Value: encoded, Secret: true})
}

// trustedHost is the server of an index that is configured as plain http: pip takes nothing from such a one unless it is told to. For an
// https index it is empty, as trust would switch off the check of its certificate.
func trustedHost(index string) string {
	address, err := url.Parse(index)
	if err != nil || address.Scheme != "http" {
		return ""
	}
	return address.Host
}

// ParseResolved reads "locked NAME VERSION SHA256" for each package of the closure.
func (pip) ParseResolved(facts shell.Facts) (Lock, error) {
	var packages []Locked
	for _, value := range facts.All("locked") {
		fields := strings.Split(value, " ")
		if len(fields) != 3 {
			return Lock{}, fmt.Errorf("reading pip's report: %q is not NAME VERSION SHA256", value)
		}
		p, err := pipLocked(fields[0], fields[1], fields[2])
		if err != nil {
			return Lock{}, fmt.Errorf("reading pip's report: %w", err)
		}
		packages = append(packages, p)
	}
	lock, err := newLock("pip", packages, "")
	if err != nil {
		return Lock{}, fmt.Errorf("reading pip's report: %w", err)
	}
	for _, p := range lock.Packages {
		lock.Text += fmt.Sprintf("%s==%s --hash=%s\n", p.Name, p.Version, p.Hash)
	}
	return lock, nil
}

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// pipLocked checks what will stand in a requirements file: nothing may pass that pip could read as an option.
func pipLocked(name, version, hash string) (Locked, error) {
	if err := (pip{}).CheckPackage(name); err != nil {
		return Locked{}, err
	}
	normal, err := pip{}.Normalize(version)
	if err != nil {
		return Locked{}, fmt.Errorf("%s: %w", name, err)
	}
	if !sha256Hex.MatchString(hash) {
		return Locked{}, fmt.Errorf("%s: %q is no SHA-256", name, hash)
	}
	return Locked{Name: pypiNormalName(name), Version: normal, Hash: "sha256:" + hash}, nil
}

// ParseLock reads the requirements file that ParseResolved wrote.
func (pip) ParseLock(text string) (Lock, error) {
	var packages []Locked
	for line := range strings.Lines(text) {
		p, err := parseLockLine(strings.TrimSpace(line))
		if err != nil {
			return Lock{}, fmt.Errorf("line %d of the lock: %w", len(packages)+1, err)
		}
		packages = append(packages, p)
	}
	return newLock("pip", packages, text)
}

func parseLockLine(line string) (Locked, error) {
	requirement, hash, _ := strings.Cut(line, " --hash=sha256:")
	name, version, ok := strings.Cut(requirement, "==")
	if !ok {
		return Locked{}, errors.New("expected NAME==VERSION --hash=sha256:HEX")
	}
	return pipLocked(name, version, hash)
}
