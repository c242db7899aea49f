// Package pkgmgr knows package managers: how versions are written and ordered, what an index offers, how a version becomes a lock
// and a lock becomes an installed release.
//
// It runs nothing. What has to happen on a node is built as a shell.Script, and what the node answered is read from shell.Facts.
// A script that fails says why with the fact "error" and, where a fix is known, "hint"; things worth a line that stop nothing are "note".
package pkgmgr

import (
	"cmp"
	"embed"
	"fmt"
	"io"

	"github.com/rollpin/rollpin/pkg/shell"
)

// Source is where a package comes from and what may be done to install it.
type Source struct {
	// Package is the package's name, checked by Manager.CheckPackage.
	Package string
	// Index is the URL of the package index or registry; empty for what the node's own configuration says.
	Index string
	// User and Password are the credentials for Index. For npm, a Password without a User is a bearer token.
	User, Password string
	// Python is the interpreter that makes venvs; python3 if empty. Manager pip only.
	Python string
	// AllowSource lets pip build from source distributions, AllowScripts lets npm run lifecycle scripts.
	AllowSource, AllowScripts bool
	// Artifact is a file of the package on the node, that Describe has described as Described; it is taken instead of what the index has.
	// Empty for none.
	Artifact  string
	Described Locked
}

func (s Source) python() string { return cmp.Or(s.Python, "python3") }

// Manager is one package manager. Its scripts need a POSIX shell and the manager itself on the node, and nothing else.
type Manager interface {
	// Name is the manager's name in the configuration.
	Name() string
	// CheckPackage refuses what is no name of a package; nothing that it accepts means anything to a shell.
	CheckPackage(name string) error
	// Normalize returns the one spelling of a version. Its error is a *VersionError.
	Normalize(version string) (string, error)
	// Compare orders normalised versions: negative if a is older than b, 0 for two spellings of one version.
	Compare(a, b string) int
	// Movable tells whether a release may stand at another path than where it was installed.
	Movable() bool
	// Probe looks at the node and writes nothing. Facts: platform STRING (releases of one platform may be copied between nodes that have
	// the same interpreter, if it names one: interpreter PATH), versions of the tools, and for each obstacle "problem TEXT" followed by "hint TEXT".
	Probe(s Source) shell.Script
	// ParseLock reads the text of a lock.
	ParseLock(text string) (Lock, error)
}

// Installer is a Manager with an index to ask, and with a tool that installs on nodes: pip and npm. What no Installer manages, an archive,
// is unpacked on this machine and only ever sent.
type Installer interface {
	Manager
	// Offers asks the index, from the node and with the node's own configuration.
	Offers(s Source) shell.Script
	// ParseOffers reads what Offers answered.
	ParseOffers(facts shell.Facts) (Offers, error)
	// Resolve finds the closure of dependencies of one version. It leaves nothing on the node.
	Resolve(s Source, version string) shell.Script
	// ParseResolved reads what Resolve answered.
	ParseResolved(facts shell.Facts) (Lock, error)
	// Install makes dir, absolute and not yet there, the installed release; if that fails, dir is gone again.
	// Facts: "installed NAME VERSION" for everything found in dir.
	Install(s Source, l Lock, dir string) shell.Script
	// Describe reads what a file holds that no index has, such as a wheel, by its name and its content. It refuses what is not of s.Package.
	Describe(s Source, name string, content io.ReaderAt, size int64) (Locked, error)
	// ProbePrefix is Probe for a prefix that stays and takes one release after the other; it may begin with ~/. More facts: "found NAME VERSION"
	// for all that is installed there.
	ProbePrefix(s Source, prefix string) shell.Script
	// InstallPrefix makes dir, absolute and not yet there, with a folder tree: the files that the lock would put into the prefix, which stays as
	// it is. Facts: those of Install, and "found" as ProbePrefix will say once the files are in place.
	InstallPrefix(s Source, l Lock, dir, prefix string) shell.Script
	// Prefix is the beginning of a script that changes the prefix: the functions trees, replaced TREE and installed. See sh/pip-replaced.sh.
	Prefix(s Source, prefix string) shell.Script
	// SameName tells whether two spellings name one package.
	SameName(a, b string) bool
	// Verify compares what Install found with the lock; its error names every difference.
	Verify(l Lock, facts shell.Facts) error
}

// For returns the manager of a name: pip, npm or archive.
func For(name string) (Manager, error) {
	switch name {
	case "pip":
		return pip{}, nil
	case "npm":
		return npm{}, nil
	case "archive":
		return archive{}, nil
	}
	return nil, fmt.Errorf("unknown package manager %q: expected pip, npm or archive", name)
}

//go:embed sh/*.sh
var bodies embed.FS

// body joins constant shell texts: the functions that a script uses, then the script.
func body(names ...string) string {
	var text []byte
	for _, name := range names {
		part, err := bodies.ReadFile("sh/" + name + ".sh")
		if err != nil {
			panic(err) // a name that is not in the binary is a mistake in this package
		}
		text = append(text, part...)
	}
	return string(text)
}

// flag is how a script is told yes or no.
func flag(on bool) string {
	if on {
		return "1"
	}
	return ""
}
