package bundle

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/release"
)

// oddNames are in both versions, at their places.
var oddNames = files{
	"lib/it's a \"name\"": "quotes", "lib/ümläut/日本": "unicode", "lib/-rf": "dash", "-n": "dash", "lib/$(id)`id`": "shell", "lib/ blanks ": "blanks", "lib/*[a]?": "globs",
	"lib/empty": "", "lib/\xff": "no utf-8", "bin/app": "!#!/bin/sh\n", "bin/python": "-> /usr/bin/python3", "lib/up": "-> ../bin", "lib/gone by link": "-> nowhere",
	"lib/empty dir": "/ 755", "lib/shut": "/ 700",
}

func with(base files, more files, without ...string) files {
	all := maps.Clone(base)
	maps.Copy(all, more)
	for _, name := range without {
		delete(all, name)
	}
	return all
}

var sharing = []string{"copy", "hardlink"}

// Every kind of change between two versions: the node that has the first one gets the second one with what it lacks, and it is the same as
// on the node that built it.
func TestANodeWithAnOlderRelease(t *testing.T) {
	big := noise(200_000, 1)
	first := with(oddNames, files{
		"lib/big": big, "lib/changed": "before", "lib/removed": "gone", "lib/moved here": "stays the same", "old/dir/with ' quote": big[:50_000], "lib/link": "-> a",
		"lib/file to link": "f", "lib/link to file": "-> x", "lib/file to dir": "f", "lib/dir to file/f": "f", "lib/mode": "m", "lib/dirmode": "/ 755", "lib/twice": "same",
		"removed dir/sub/f": "r", "lib/removed empty": "/ 755",
	})
	second := with(oddNames, files{
		"lib/big": big, "lib/changed": "after", "lib/added": "new", "lib/moved there ü": "stays the same", "new/dir/with ' quote": big[:50_000], "lib/link": "-> b",
		"lib/file to link": "-> f", "lib/link to file": "x", "lib/file to dir/f": "f", "lib/dir to file": "f", "lib/mode": "!m", "lib/dirmode": "/ 711", "lib/twice": "same",
		"lib/twice too": "same", "added dir/empty": "/ 750", "-v": "new dash",
	})
	for _, kind := range []string{"copy", "hardlink", "copy with busybox", "hardlink with busybox"} {
		t.Run(kind, func(t *testing.T) {
			share, _, busybox := strings.Cut(kind, " with ")
			c := open(t, 1<<30)
			builder, other := newNode(t), newNode(t)
			other.share = share
			if busybox {
				other.tools = busyboxTools(t)
			}
			before, after := builder.adopt(c, builder.build(one, first)), builder.adopt(c, builder.build(two, second))
			if _, err := other.receive(before, c.Whole(before)); err != nil {
				t.Fatal(err)
			}
			other.wantSame(builder, one)
			untouched := other.state(one)
			want, err := c.Manifest(after.Digest())
			if err != nil {
				t.Fatal(err)
			}
			d, ok := want.DeltaFrom(map[string]release.Manifest{one: other.manifest(one)})
			if !ok || d.Base != one {
				t.Fatalf("there is no way from %s: %+v", one, d)
			}
			part, err := c.Delta(after, d)
			if err != nil {
				t.Fatal(err)
			}
			if part.Size > 8<<10 || c.Whole(after).Size < 200_000 {
				t.Errorf("%d bytes are sent of %d", part.Size, c.Whole(after).Size)
			}
			if facts, err := other.receive(after, part); err != nil {
				t.Fatalf("%v, facts %v", err, facts)
			}
			other.wantSame(builder, two)
			if other.state(one) != untouched {
				t.Error("the older release was changed")
			}
			if linked := sameFile(t, other, "lib/big"); linked != (share == "hardlink") {
				t.Errorf("share: %s, and the file is one with the other release's: %v", share, linked)
			}
			other.nothingLeft(2)
			// The older one can go, and the newer one stays whole.
			other.must(release.Remove(other.path, []string{one}))
			other.must(release.Verify(other.path, after.Record))
		})
	}
}

func sameFile(t *testing.T, n *node, name string) bool {
	t.Helper()
	a, errA := os.Stat(filepath.Join(n.path, "releases", one, name))
	b, errB := os.Stat(filepath.Join(n.path, "releases", two, name))
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	return os.SameFile(a, b)
}

// The base says one thing and its files another: the node says so, keeps what runs, and the whole bundle mends it.
func TestABaseThatWasChangedOnTheNode(t *testing.T) {
	for _, share := range sharing {
		for name, harm := range map[string]func(dir string) error{
			"a flipped byte":  func(dir string) error { return os.WriteFile(dir+"/lib/big", []byte(noise(10_000, 2)), 0o644) },
			"a missing file":  func(dir string) error { return os.Remove(dir + "/lib/big") },
			"a missing moved": func(dir string) error { return os.Remove(dir + "/lib/old") },
			"another mode":    func(dir string) error { return os.Chmod(dir+"/lib/big", 0o600) },
			"a link instead": func(dir string) error {
				return errors.Join(os.Rename(dir+"/lib/big", dir+"/lib/bag"), os.Symlink("bag", dir+"/lib/big"))
			},
			"a list that was changed": func(dir string) error { return os.WriteFile(dir+"/rollpin.manifest", []byte("d\t755\t./lib\n"), 0o644) },
			"no list":                 func(dir string) error { return os.Remove(dir + "/rollpin.manifest") },
			"a list without its end": func(dir string) error {
				text, err := os.ReadFile(dir + "/rollpin.manifest")
				return errors.Join(err, os.WriteFile(dir+"/rollpin.manifest", text[:len(text)-1], 0o644))
			},
		} {
			t.Run(share+" "+name, func(t *testing.T) {
				c := open(t, 1<<30)
				builder, other := newNode(t), newNode(t)
				other.share = share
				content := files{"lib/big": noise(10_000, 1), "lib/m": "1", "lib/old": "moved"}
				before := builder.adopt(c, builder.build(one, content))
				after := builder.adopt(c, builder.build(two, with(content, files{"lib/m": "2", "lib/new": "moved"}, "lib/old")))
				if _, err := other.receive(before, c.Whole(before)); err != nil {
					t.Fatal(err)
				}
				known, want := other.manifest(one), builder.manifest(two)
				if err := harm(filepath.Join(other.path, "releases", one)); err != nil {
					t.Fatal(err)
				}
				d, _ := want.DeltaFrom(map[string]release.Manifest{one: known})
				part, err := c.Delta(after, d)
				if err != nil {
					t.Fatal(err)
				}
				facts, err := other.receive(after, part)
				if strings.HasSuffix(name, "its end") && err == nil { // the line is still the same
					other.wantSame(builder, two)
					return
				}
				if err == nil || facts.Get("unfit") == "" {
					t.Errorf("it was taken: %v, facts %v", err, facts)
				}
				other.nothingLeft(1)
				if _, err := other.receive(after, c.Whole(after)); err != nil {
					t.Fatal(err)
				}
				other.wantSame(builder, two)
			})
		}
	}
}
