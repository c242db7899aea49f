package release

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// entry makes the entry of a file; equal texts are equal contents.
func entry(path, text string) Entry {
	return Entry{Kind: 'f', Mode: 0o644, MTime: 315532800, Size: int64(len(text)), SHA256: fmt.Sprintf("%064x", text), Path: "./" + path}
}

func folder(path string) Entry { return Entry{Kind: 'd', Mode: 0o755, Path: "./" + path} }

func link(path, target string) Entry { return Entry{Kind: 'l', Path: "./" + path, Target: target} }

func manifest(t *testing.T, entries ...Entry) Manifest {
	t.Helper()
	m, err := NewManifest(entries)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseManifest(t *testing.T) {
	sum := strings.Repeat("0f", 32)
	text := "d\t700\t./a dir\nf\t755\t315532800\t12\t" + sum + "\t./a dir/it's \"ü\"\n" +
		"f\t755\t315532800\t12\t" + sum + "\t./é\nf\t755\t5\t0\t" + sum + "\t./-v\nl\t./zz\t../../else where\n"
	m, err := ParseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	if files, bytes := m.Size(); files != 3 || bytes != 24 || m.Text() != text || len(m.Entries) != 5 {
		t.Errorf("read as %+v", m)
	}
	if again := manifest(t, m.Entries...); again.Digest() != m.Digest() {
		t.Errorf("written again it is\n%s", again.Text())
	}
	if m, err := ParseManifest(""); err != nil || len(m.Entries) != 0 {
		t.Errorf("a release of nothing: %v", err)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	sum := strings.Repeat("0f", 32)
	file := func(fields string) string { return "f\t" + fields + "\n" }
	for name, c := range map[string]struct{ text, says string }{
		"a line that is cut off":  {"d\t755\t./lib", "cut off"},
		"an empty line":           {"\n", "no directory, file or link"},
		"another kind":            {"p\t644\t./pipe\n", "no directory, file or link"},
		"too few fields":          {file("644\t1\t1\t./a"), "no directory, file or link"},
		"too many fields":         {"d\t755\t./a\t./b\n", "no directory, file or link"},
		"what is not sorted":      {"d\t755\t./b\nd\t755\t./a\n", "not sorted"},
		"a line twice":            {"d\t755\t./a\nd\t755\t./a\n", "not sorted"},
		"a path twice":            {"d\t755\t./a\nl\t./a\tb\n", "twice"},
		"no path":                 {"d\t755\t\n", "no path in a release"},
		"the release itself":      {"d\t755\t.\n", "no path in a release"},
		"the release itself, ./":  {"d\t755\t./\n", "no path in a release"},
		"an absolute path":        {"l\t/etc/passwd\tx\n", "no path in a release"},
		"an absolute path, .//":   {"l\t.//etc/passwd\tx\n", "no path in a release"},
		"a way out":               {"l\t./../x\tx\n", "no path in a release"},
		"a way out in the middle": {"l\t./a/../../x\tx\n", "no path in a release"},
		"a path with a detour":    {"d\t755\t./a/./b\n", "no path in a release"},
		"a slash at the end":      {"d\t755\t./a/\n", "no path in a release"},
		"a backslash":             {"d\t755\t./a\\nb\n", "no path in a release"},
		"a carriage return":       {"d\t755\t./a\rb\n", "no path in a release"},
		"NUL":                     {"d\t755\t./a\x00b\n", "no path in a release"},
		"a mode that is none":     {"d\t7x5\t./a\n", "invalid syntax"},
		"a mode that is decimal":  {"d\t789\t./a\n", "invalid syntax"},
		"no date":                 {file("644\t\t1\t" + sum + "\t./a"), "invalid syntax"},
		"a huge size":             {file("644\t1\t99999999999999999999\t" + sum + "\t./a"), "out of range"},
		"a negative size":         {file("644\t1\t-1\t" + sum + "\t./a"), "no file with a size"},
		"no digest":               {file("644\t1\t1\t\t./a"), "no file with a size"},
		"half a digest":           {file("644\t1\t1\t" + sum[:32] + "\t./a"), "no file with a size"},
		"a digest that is no hex": {file("644\t1\t1\t" + strings.Repeat("zz", 32) + "\t./a"), "no file with a size"},
	} {
		if _, err := ParseManifest(c.text); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// patched is what a node makes of a base and a delta.
func patched(t *testing.T, base Manifest, d Delta) string {
	t.Helper()
	lines := lineSet(base)
	for _, line := range d.Removed {
		if !lines[line] {
			t.Errorf("%q is removed, and not there", line)
		}
		delete(lines, line)
	}
	for _, line := range d.Added {
		lines[line] = true
	}
	var text strings.Builder
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		text.WriteString(line + "\n")
	}
	return text.String()
}

func TestDeltaFrom(t *testing.T) {
	big := strings.Repeat("b", 30)
	base := manifest(t, folder("lib"), entry("lib/big", big), entry("lib/module", "old"), entry("lib/gone", "gone"), link("python", "/usr/bin/python3"))
	run := entry("lib/big", big)
	run.Mode = 0o755
	for name, c := range map[string]struct {
		have  map[string]Manifest
		want  Manifest
		base  string
		moved string // FROM>TO, as far as there are any
		send  string
	}{
		"nothing changed": {have: map[string]Manifest{one: base}, want: base, base: one, send: "./python"},
		"one module": {
			have: map[string]Manifest{one: base}, base: one, send: "./lib/module ./lib/new ./python",
			want: manifest(t, folder("lib"), entry("lib/big", big), entry("lib/module", "new!"), entry("lib/new", "n"), link("python", "/usr/bin/python3")),
		},
		"a directory with another name": {
			have: map[string]Manifest{one: base}, base: one, moved: one + "/./lib/module>./lib2/module " + one + "/./lib/big>./lib2/big",
			want: manifest(t, folder("lib2"), entry("lib2/big", big), entry("lib2/module", "old"), entry("lib/gone", "gone")),
		},
		"only moved": { // nothing stands at its place, so there is no base, and the whole is sent
			have: map[string]Manifest{one: base}, want: manifest(t, folder("lib2"), entry("lib2/big", big)),
		},
		"another mode": { // what is at another place or has another mode has another line, and only a copy with the same mode can stand for it
			have: map[string]Manifest{one: base}, base: one, send: "./lib/big", want: manifest(t, folder("lib"), run, entry("lib/module", "old")),
		},
		"a link that turned": {
			have: map[string]Manifest{one: base}, base: one, send: "./python", want: manifest(t, folder("lib"), entry("lib/big", big), link("python", "python3.13")),
		},
		"the base with the most bytes, and a file of the other": {
			have: map[string]Manifest{one: manifest(t, entry("small", "s"), entry("elsewhere", "rare")), two: base}, base: two,
			moved: one + "/./elsewhere>./lib/rare",
			want:  manifest(t, folder("lib"), entry("lib/big", big), entry("small2", "s2"), entry("lib/rare", "rare")), send: "./small2",
		},
		"two that have the same": { // the first by id, on every run
			have: map[string]Manifest{two: base, one: base}, want: base, base: one, send: "./python",
		},
		"nothing in common": {have: map[string]Manifest{one: base}, want: manifest(t, entry("other", "x"))},
		"no release":        {want: base},
		"empty files alone": { // they weigh nothing, and still need no journey
			have: map[string]Manifest{one: manifest(t, entry("__init__.py", ""))}, base: one, want: manifest(t, entry("__init__.py", ""), entry("m", "m")), send: "./m",
		},
	} {
		d, ok := c.want.DeltaFrom(c.have)
		var moved []string
		for _, pair := range d.Moved {
			moved = append(moved, pair[0]+">"+pair[1])
		}
		send := strings.Join(slices.Sorted(maps.Keys(d.Send)), " ")
		if ok != (c.base != "") || d.Base != c.base || strings.Join(moved, " ") != c.moved || send != c.send {
			t.Errorf("%s: %v, base %q, moved %q, send %q; want %q, %q, %q", name, ok, d.Base, moved, send, c.base, c.moved, c.send)
		}
		if ok && patched(t, c.have[d.Base], d) != c.want.Text() {
			t.Errorf("%s: the node would make\n%sof it, not\n%s", name, patched(t, c.have[d.Base], d), c.want.Text())
		}
		if !slices.IsSorted(d.Removed) || !slices.IsSorted(d.Added) {
			t.Errorf("%s: not sorted", name)
		}
	}
}

func TestChangesFrom(t *testing.T) {
	before := manifest(t, folder("lib"), entry("lib/same", "s"), entry("lib/changed", "c"), entry("lib/gone", "g"), link("python", "a"))
	after := manifest(t, folder("lib"), folder("new"), entry("lib/same", "s"), entry("lib/changed", "c2"), entry("new/one", "new"), link("python", "b"))
	if c := after.ChangesFrom(before); c != (Changes{Added: 1, Removed: 1, Changed: 2, Bytes: 5}) {
		t.Errorf("%+v", c)
	}
	if c := after.ChangesFrom(after); c != (Changes{}) {
		t.Errorf("from itself: %+v", c)
	}
}

func FuzzParseManifest(f *testing.F) {
	sum := strings.Repeat("0f", 32)
	f.Add("d\t755\t./lib\nf\t644\t1\t2\t"+sum+"\t./lib/a b\nl\t./x\t../y\n", "d\t755\t./lib\n")
	f.Add("l\t./../x\ty\n", "")
	f.Fuzz(func(t *testing.T, text, other string) {
		m, err := ParseManifest(text)
		if err != nil {
			return
		}
		if m.Text() != text {
			t.Errorf("%q is read as %q", text, m.Text())
		}
		for _, e := range m.Entries {
			if !strings.HasPrefix(e.Path, "./") || slices.Contains(strings.Split(e.Path, "/")[1:], "..") {
				t.Errorf("%q leads out of the release", e.Path)
			}
		}
		base, err := ParseManifest(other)
		if err != nil {
			return
		}
		if d, ok := m.DeltaFrom(map[string]Manifest{one: base}); ok && patched(t, base, d) != text {
			t.Errorf("%q on top of %q becomes %q", text, other, patched(t, base, d))
		}
	})
}
