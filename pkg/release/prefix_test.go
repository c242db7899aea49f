package release

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/shell"
)

// fakePrefix is a package manager whose packages are the files that the prefix's file lib/owned lists.
func fakePrefix(installed string) shell.Script {
	return shell.Script{Vars: []shell.Var{{Name: "says", Value: installed}}, Body: `
trees() { echo ./lib/packages; }
replaced() { cat "$prefix/lib/packages/owned" 2>/dev/null || true; }
installed() { fact found "$says"; }
`}
}

// stageSet puts a set beside the prefix, as staging does: its files by their paths in the prefix.
func stageSet(t *testing.T, store, id string, files map[string]string) Record {
	t.Helper()
	must(t, Prepare(store, id))
	owned := "./lib/packages/owned\n"
	for name, text := range files {
		write(t, filepath.Join(store, "releases", id, "tree", name), text)
		owned += "./" + name + "\n"
	}
	write(t, filepath.Join(store, "releases", id, "tree", "lib/packages/owned"), owned)
	finish, err := Finish(store, Record{ID: id, Version: VersionOf(id), Lock: "l", Staged: "d1"}, "app==1\n", FileDate)
	if err != nil {
		t.Fatal(err)
	}
	record, err := ParseRecord(must(t, finish))
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// contents is every file, folder and link of the prefix but the store, with modes and times.
func contents(t *testing.T, prefix string) string {
	t.Helper()
	var text strings.Builder
	err := filepath.WalkDir(prefix, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == ".rollpin" {
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text.WriteString(strings.TrimPrefix(path, prefix) + " " + info.Mode().String())
		switch {
		case d.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			text.WriteString(" " + target + "\n")
			return err
		case d.IsDir():
			text.WriteString("\n")
			return nil
		}
		content, err := os.ReadFile(path)
		text.WriteString(" " + info.ModTime().Truncate(1e9).String() + " " + string(content) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func replacing(t *testing.T, store string, r Replacing) (shell.Facts, error) {
	t.Helper()
	s, err := Replace(store, fakePrefix("app "+r.To.Version), r)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, s)
}

func mustReplace(t *testing.T, store string, r Replacing) shell.Facts {
	t.Helper()
	facts, err := replacing(t, store, r)
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

// prefixWith makes a prefix as one is found: packages, a file of theirs elsewhere, what people put there, and what is nobody's business.
func prefixWith(t *testing.T) (prefix, store string) {
	t.Helper()
	prefix = filepath.Join(t.TempDir(), "it's a venv")
	write(t, filepath.Join(prefix, "lib/packages/app/a file.py"), "found")
	write(t, filepath.Join(prefix, "lib/packages/app/cache/x.pyc"), "found")
	write(t, filepath.Join(prefix, "lib/packages/hand made.pth"), "mine")
	write(t, filepath.Join(prefix, "lib/packages/owned"), "./lib/packages/app/a file.py\n./lib/packages/app/cache/x.pyc\n./bin/app\n./lib/packages/owned\n")
	write(t, filepath.Join(prefix, "bin/app"), "found")
	write(t, filepath.Join(prefix, "bin/other"), "not ours")
	write(t, filepath.Join(prefix, "data/db"), "1")
	for _, link := range [][2]string{{"../lib/packages/app", "bin/link"}, {"app", "lib/packages/nickname"}} {
		if err := os.Symlink(link[0], filepath.Join(prefix, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(prefix, "lib/packages/hollow"), 0o700); err != nil {
		t.Fatal(err)
	}
	return prefix, Store(prefix)
}

const foundID = "0.9-cccccccc"

var foundRecord = Record{ID: foundID, Version: "0.9", Staged: "d1"}

func filesOf(version string) map[string]string {
	return map[string]string{"lib/packages/app/a file.py": version, "bin/app": version, "share/doc/" + version: version, "lib/packages/" + version + "/x.py": version}
}

func TestPrefixLife(t *testing.T) {
	prefix, store := prefixWith(t)
	found := contents(t, prefix)
	one, two := stageSet(t, store, one, filesOf("1.0.0")), stageSet(t, store, two, filesOf("1.1.0"))
	one.Previous = foundID
	if contents(t, prefix) != found {
		t.Fatal("staging changed the prefix")
	}

	facts := mustReplace(t, store, Replacing{To: one, Rewrite: true, From: foundRecord, Freeze: "app==0.9\n", Keep: true})
	kept, err := ParseRecord(facts)
	if err != nil || kept.ID != foundID || facts.Get("found") != "app 1.0.0" {
		t.Fatalf("%+v, %v, %v", kept, facts, err)
	}
	first := contents(t, prefix)
	for _, here := range []string{"/lib/packages/hand made.pth", "/lib/packages/nickname", "/bin/other", "/data/db", "/share/doc/1.0.0", "/lib/packages/1.0.0/x.py"} {
		if !strings.Contains(first, here+" ") {
			t.Errorf("%s is not there", here)
		}
	}
	if strings.Contains(first, "x.pyc") || strings.Contains(first, "found") {
		t.Errorf("something of the set that was replaced stayed:\n%s", first)
	}
	if state := probe(t, store); state.Current != one.ID || state.Records[one.ID].Previous != foundID || !state.Has(foundID) || len(state.Debris) > 0 {
		t.Errorf("%+v", state)
	}

	write(t, filepath.Join(prefix, "lib/packages/app/runtime.pyc"), "written by the service")
	second := contents(t, prefix)
	mustReplace(t, store, Replacing{To: two, Rewrite: true, From: one, Keep: true})
	write(t, filepath.Join(prefix, "data/db"), "2")
	write(t, filepath.Join(prefix, "lib/packages/1.1.0/more.pyc"), "written by the service")
	one = probe(t, store).Records[one.ID]
	mustReplace(t, store, Replacing{To: one, From: two})
	if got := contents(t, prefix); !sameButData(got, second) {
		t.Errorf("back on the first:\n%s\nand it was:\n%s", got, second)
	}
	mustReplace(t, store, Replacing{To: kept, From: one})
	if got := contents(t, prefix); !sameButData(got, found) {
		t.Errorf("back on what was found:\n%s\nand it was:\n%s", got, found)
	}
}

// sameButData compares contents without the data that is no business of rollpin's.
func sameButData(a, b string) bool {
	strip := func(text string) string {
		var lines []string
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "/data/db ") {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "")
	}
	return strip(a) == strip(b)
}

func TestKeptSetThatWasDamagedIsRefused(t *testing.T) {
	prefix, store := prefixWith(t)
	one := stageSet(t, store, one, filesOf("1.0.0"))
	kept, err := ParseRecord(mustReplace(t, store, Replacing{To: one, Rewrite: true, From: foundRecord, Keep: true}))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(store, "releases", foundID, "tree/bin/app"), "damaged")
	before := contents(t, prefix)
	_, err = replacing(t, store, Replacing{To: kept, From: one})
	if err == nil || !strings.Contains(err.Error(), "is not what was installed: changed or missing: ./tree/bin/app") {
		t.Errorf("a damaged set is put back: %v", err)
	}
	if contents(t, prefix) != before || probe(t, store).Current != one.ID {
		t.Error("the prefix was touched")
	}
}

// A change that ends half way names the set that it was about; from there it goes on, or back, to the same bytes.
func TestChangeThatEndsHalfWay(t *testing.T) {
	for _, way := range []string{"on", "back"} {
		t.Run(way, func(t *testing.T) {
			prefix, store := prefixWith(t)
			one := stageSet(t, store, one, filesOf("1.0.0"))
			// What is to be written cannot be: there is a folder where a file belongs.
			obstacle := filepath.Join(prefix, "share/doc/1.0.0")
			if err := os.MkdirAll(obstacle, 0o755); err != nil {
				t.Fatal(err)
			}
			found := contents(t, prefix)
			write(t, filepath.Join(obstacle, "in the way"), "x")
			if _, err := replacing(t, store, Replacing{To: one, Rewrite: true, From: foundRecord, Keep: true}); err == nil {
				t.Fatal("it worked")
			}
			if changing := must(t, Probe(store)).Get("changing"); changing != one.ID {
				t.Fatalf("changing %q", changing)
			}
			if err := os.Remove(filepath.Join(obstacle, "in the way")); err != nil || contents(t, prefix) == found {
				t.Fatal("it did not end half way", err)
			}
			if err := os.Remove(obstacle); err != nil {
				t.Fatal(err)
			}
			// It did not get as far as this file, and the list that says whose it is was gone already.
			write(t, filepath.Join(prefix, "lib/packages/app/cache/x.pyc"), "found")
			records := probe(t, store).Records
			if way == "on" {
				mustReplace(t, store, Replacing{To: records[one.ID], Rewrite: true, From: records[one.ID], Keep: true})
				if now := contents(t, prefix); strings.Contains(now, " found\n") || !strings.Contains(now, "hand made") {
					t.Errorf("it went on to:\n%s", now)
				}
			}
			mustReplace(t, store, Replacing{To: records[foundID], From: records[one.ID]})
			if got := contents(t, prefix); got != found {
				t.Errorf("%s\nand it was:\n%s", got, found)
			}
			if must(t, Probe(store)).Get("changing") != "" {
				t.Error("it still counts as half way")
			}
		})
	}
}

func TestFirstSetIsTakenBack(t *testing.T) {
	prefix := t.TempDir()
	store := Store(prefix)
	found := contents(t, prefix)
	one := stageSet(t, store, one, filesOf("1.0.0"))
	nothing := Record{ID: "0-dddddddd", Version: "0", Staged: "d1"}
	mustReplace(t, store, Replacing{To: one, Rewrite: true, From: nothing, Keep: true})
	must(t, Empty(store, fakePrefix(""), nothing.ID))
	if got := contents(t, prefix); got != found || probe(t, store).Current != "" {
		t.Errorf("left: %s", got)
	}
	if _, err := run(t, Empty(store, fakePrefix(""), "0-00000000")); err == nil || !strings.Contains(err.Error(), "is not known") {
		t.Error(err)
	}
}

func TestFreeze(t *testing.T) {
	if got := Freeze([]string{"b 2", "a 1", "pip 23", "setuptools 1"}); got != "a==1\nb==2\n" {
		t.Error(got)
	}
}
