package release

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/shell"
)

// The layout in-place: packages go into a prefix that stays, such as one venv. Beside it, in the folder .rollpin of the prefix, stand the same
// things as for any service:
//
//	PREFIX/.rollpin/current -> releases/2.4.1-3f9a1c2b   the set that is in the prefix
//	PREFIX/.rollpin/releases/2.4.1-3f9a1c2b/tree/        the files of its packages; of a set that was replaced (whole), all that was there
//	PREFIX/.rollpin/releases/1.0.0-5d0c7f12/             a set that was found there: the digest in its id is that of rollpin.freeze
//	PREFIX/.rollpin/.rollpin/changing                    the set that a change was about which ended half way, and the one before

// Store is where the sets of a prefix are kept: the path that the scripts of this package take.
func Store(prefix string) string { return prefix + "/.rollpin" }

// PrefixOf returns the prefix of a store.
func PrefixOf(store string) string { return path.Dir(store) }

// Freeze lists packages, each "NAME VERSION", as NAME==VERSION, a line each, sorted, but for those that serve the installer itself.
func Freeze(packages []string) string {
	var lines []string
	for _, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		switch strings.ToLower(name) {
		case "pip", "setuptools", "wheel", "pkg-resources", "pkg_resources":
			continue
		}
		lines = append(lines, name+"=="+version+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// FreezeDigest is the SHA-256 of a freeze, in hex.
func FreezeDigest(freeze string) string {
	sum := sha256.Sum256([]byte(freeze))
	return hex.EncodeToString(sum[:])
}

// Replacing is a change of what is in a prefix.
type Replacing struct {
	// To is the set that comes. Its record is written anew if Rewrite.
	To      Record
	Rewrite bool
	// From is the set that is there; no id for none. It is kept as it is now if Keep, or if it was not kept before and nothing can make it again.
	From   Record
	Freeze string
	Keep   bool
}

// Replace puts a set in the place of the one that is in the prefix of a store: the packages of a set that was staged, or all of one that was
// kept. Prefix is the beginning that the package manager gives to such scripts. It answers with the record of what it kept, if it did, and
// with "found NAME VERSION" for what is installed then.
func Replace(store string, prefix shell.Script, r Replacing) (shell.Script, error) {
	record, from, keep := "", "", ""
	var err error
	if r.Rewrite {
		if record, err = marshal(r.To); err != nil {
			return shell.Script{}, err
		}
	}
	if r.From.ID != "" {
		r.From.Digest = "@DIGEST@"
		if from, err = marshal(r.From); err != nil {
			return shell.Script{}, err
		}
	}
	if r.Keep {
		keep = "always"
	}
	s := inPrefix("switch", prefix, pathAndID(store, r.To.ID), "replace", "switch", "replaced")
	s.Vars = append(s.Vars,
		shell.Var{Name: "digest", Value: r.To.Digest}, shell.Var{Name: "record", Value: record}, shell.Var{Name: "keep", Value: keep},
		shell.Var{Name: "from", Value: r.From.ID}, shell.Var{Name: "fromrecord", Value: from}, shell.Var{Name: "freeze", Value: r.Freeze})
	return s, nil
}

// Empty puts back the set id, which was there before the first deployment, and leaves no set current.
func Empty(store string, prefix shell.Script, id string) shell.Script {
	return inPrefix("withdraw", prefix, pathAndID(store, id), "empty")
}

func inPrefix(name string, prefix shell.Script, vars []shell.Var, names ...string) shell.Script {
	body := prefix.Body + text("manifest") + "finish() {\n" + text("finish") + "}\nverify() {\n" + text("verify") + "}\n" + text("prefix")
	for _, name := range names {
		body += text(name)
	}
	return shell.Script{Name: name, Vars: append(vars, prefix.Vars...), Body: body}
}
