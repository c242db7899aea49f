package pkgmgr

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/shell"
)

// prefixed prints what the functions of a prefix's beginning say.
func prefixed(s shell.Script, tree string) shell.Script {
	s.Vars = append(s.Vars, shell.Var{Name: "tree", Value: tree})
	s.Body += `
trees | facts tree
replaced "$tree" | facts replaced
installed
`
	return s
}

func (n *testNode) venv(t *testing.T, args ...string) string {
	t.Helper()
	prefix := filepath.Join(n.home, "it's a venv")
	if out, err := exec.Command("python3", append([]string{"-m", "venv", prefix}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return prefix
}

func sourceFor(index, prefix string) Source {
	return Source{Package: "acme_api", Index: index + "/simple/", Python: filepath.Join(prefix, "bin/python")}
}

// What is installed beside a venv has the venv's paths, and the venv stays as it is. A venv without pip takes it as well.
func TestPipBesideAVenv(t *testing.T) {
	for name, args := range map[string][]string{"with pip": nil, "without pip": {"--without-pip"}} {
		t.Run(name, func(t *testing.T) {
			if args != nil {
				installs(t)
			}
			t.Parallel()
			need(t, "python3")
			index := acme(t)
			server := serve(t, index)
			n := newNode(t)
			prefix := n.venv(t, args...)
			s := sourceFor(server.URL, prefix)
			if probed := n.must(pip{}.ProbePrefix(s, "~/it's a venv")); probed.Get("problem") != "" || probed.Get("platform") == "" {
				t.Fatalf("probe: %v", probed)
			}
			lock := resolve(t, n, s, "1.1.0")
			before := tree(t, prefix)
			facts := n.must(pip{}.InstallPrefix(s, lock, n.dir("1.1.0"), prefix))
			if err := (pip{}).Verify(lock, facts); err != nil {
				t.Error(err)
			}
			if !slices.Equal(tree(t, prefix), before) {
				t.Error("the venv was changed")
			}
			script, err := os.ReadFile(filepath.Join(n.dir("1.1.0"), "tree/bin/acme-api"))
			if err != nil || !strings.Contains(string(script), prefix+"/bin/python") {
				t.Errorf("%v: the program begins with\n%s", err, script)
			}
			if left := tree(t, n.dir("1.1.0")); strings.Contains(strings.Join(left, "\n"), n.dir("1.1.0")) {
				t.Errorf("%v", left)
			}

			if out, err := exec.Command("cp", "-R", n.dir("1.1.0")+"/tree/.", prefix).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if out, err := exec.Command(filepath.Join(prefix, "bin/acme-api")).CombinedOutput(); string(out) != "api 1.1.0 with lib 1.2\n" {
				t.Errorf("the application says %q (%v)", out, err)
			}
			now := n.must(prefixed((pip{}).Prefix(s, prefix), filepath.Join(n.dir("1.1.0"), "tree")))
			owned := now.All("replaced")
			if !slices.Contains(owned, "./bin/acme-api") || strings.Contains(strings.Join(owned, "\n"), "pip/__init__") {
				t.Errorf("replaced: %v", owned)
			}
			if got := strings.Join(now.All("found"), ", "); !strings.HasPrefix(got, "acme-api 1.1.0, Acme.Lib 1.2") {
				t.Errorf("found: %s", got)
			}
		})
	}
}

// tree is every path below a folder.
func tree(t *testing.T, folder string) []string {
	t.Helper()
	var paths []string
	if err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		paths = append(paths, strings.TrimPrefix(path, folder))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestPipPrefixThatCannotBe(t *testing.T) {
	t.Parallel()
	need(t, "python3")
	n := newNode(t)
	problem := func(prefix, text string) {
		t.Helper()
		facts := n.must(pip{}.ProbePrefix(Source{}, prefix))
		if !strings.Contains(facts.Get("problem"), text) || facts.Get("hint") == "" {
			t.Errorf("%s: %v", prefix, facts)
		}
	}
	problem("~/nowhere", "nowhere is no virtual environment: it has no bin/python")
	prefix := n.venv(t, "--without-pip")
	other := filepath.Join(n.home, "other")
	if err := os.MkdirAll(filepath.Join(other, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	n.write("other/bin/python", "#!/bin/sh\nexec \""+prefix+"/bin/python\" \"$@\"\n")
	if err := os.Chmod(filepath.Join(other, "bin/python"), 0o755); err != nil {
		t.Fatal(err)
	}
	problem(other, "installs into "+prefix)

	// What no list of files tells how to replace is refused while nothing has changed.
	site, _ := filepath.Glob(prefix + "/lib/python3*/site-packages")
	n.write(strings.TrimPrefix(site[0], n.home)+"/acme_lib.egg-link", "/src\n")
	lock := Lock{Manager: "pip", Text: "acme-lib==1.2 --hash=sha256:" + strings.Repeat("0", 64) + "\n"}
	n.refuses(pip{}.InstallPrefix(sourceFor("http://127.0.0.1:9", prefix), lock, n.dir("x"), prefix), "acme-lib, which is installed there, leads to a folder of its sources", "pip uninstall acme-lib")
	if err := os.Rename(site[0]+"/acme_lib.egg-link", site[0]+"/acme_lib-1.0.egg-info"); err != nil {
		t.Fatal(err)
	}
	n.refuses(pip{}.InstallPrefix(sourceFor("http://127.0.0.1:9", prefix), lock, n.dir("x"), prefix), "has no list of its files", "install it again with pip")
}

// The dependencies, two of which want another version of the same, come into the package; a command of somebody else is not replaced.
func TestNpmBesideAPrefix(t *testing.T) {
	t.Parallel()
	need(t, "npm")
	registry := web(t, "acme-web")
	server := serve(t, registry)
	n := newNode(t)
	s := Source{Package: "acme-web", Index: server.URL + "/"}
	prefix := filepath.Join(n.home, "prefix")
	lock := npmResolve(t, n, s, "1.1.0")
	facts := n.must(npm{}.InstallPrefix(s, lock, n.dir("1.1.0"), prefix))
	if err := (npm{}).Verify(lock, facts); err != nil {
		t.Error(err)
	}
	if target, err := os.Readlink(n.dir("1.1.0") + "/tree/bin/acme-web"); err != nil || !strings.HasPrefix(target, "../lib/node_modules/acme-web/") {
		t.Errorf("%q, %v", target, err)
	}
	out, err := exec.Command(n.dir("1.1.0") + "/tree/bin/acme-web").CombinedOutput()
	if string(out) != "web 1.1.0 left-1.0.0 right-1.0.0\n" {
		t.Errorf("the application says %q (%v)", out, err)
	}
	n.write("prefix/bin/acme-web", "by hand")
	n.refuses(npm{}.InstallPrefix(s, lock, n.dir("2"), prefix), "/prefix/bin/acme-web is there already, and is not of acme-web", "move it away")
}
