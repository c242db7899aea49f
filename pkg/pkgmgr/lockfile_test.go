package pkgmgr

import (
	"fmt"
	"strings"
	"testing"
)

const aHash = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func pipLock(t *testing.T, packages ...string) Lock {
	t.Helper()
	var text strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&text, "%s --hash=sha256:%s\n", p, aHash)
	}
	lock, err := pip{}.ParseLock(text.String())
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func TestOneIDForAllPlatforms(t *testing.T) {
	a, b, c := pipLock(t, "a==1"), pipLock(t, "b==1"), pipLock(t, "c==1")
	if CombinedDigest(map[string]Lock{"linux": b, "darwin": b}) != b.Digest() {
		t.Error("platforms with the same lock change the digest")
	}
	ab := CombinedDigest(map[string]Lock{"x": a, "y": b})
	if ab != CombinedDigest(map[string]Lock{"x": b, "y": a, "z": b}) || ab == CombinedDigest(map[string]Lock{"x": a, "y": c}) {
		t.Error("the digest of several locks depends on their order, or not on all of them")
	}
}

func TestDiff(t *testing.T) {
	from, to := pipLock(t, "a==1", "b==1", "c==1"), pipLock(t, "a==1", "b==2", "d==1")
	to.Packages[0].Hash = "sha256:" + strings.Repeat("b", 64)
	var said []string
	for _, change := range Diff(from, to) {
		said = append(said, change.String())
	}
	if got, want := strings.Join(said, "; "), "a 1 (another file); b 1 -> 2; + d 1; - c 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if changes := Diff(from, from); len(changes) > 0 {
		t.Errorf("a lock differs from itself: %v", changes)
	}
}

func TestLockFilesAreReadBack(t *testing.T) {
	lock := pipLock(t, "acme-api==1.0", "dep==2.0")
	file := LockFile{Manager: "pip", Package: "acme-api", Version: "1.0", Release: "1.0-01234567", Platforms: map[string]string{"linux": lock.Text}}
	text, err := file.Text()
	if err != nil {
		t.Fatal(err)
	}
	read, locks, err := ParseLockFile(text, pip{}, "acme-api")
	if err != nil || read.Version != "1.0" || locks["linux"].Digest() != lock.Digest() {
		t.Errorf("read %+v, %v", read, err)
	}
	for name, bad := range map[string]string{
		"":              "no lock file",
		"acme-api==1.0": "no lock file",
		strings.Replace(text, `"schema": 1`, `"schema": 2`, 1):           "schema 2",
		strings.Replace(text, `"manager": "pip"`, `"manager": "npm"`, 1): "is for acme-api (npm)",
		strings.Replace(text, `"version": "1.0"`, `"version": "x"`, 1):   "PEP 440",
		strings.Replace(text, "--hash=sha256:aa", "--hash=sha256:--", 1): "platform linux: line 1",
		strings.Replace(text, `"linux"`, `"nothing": 1, "linux"`, 1):     "no lock file",
	} {
		if _, _, err := ParseLockFile(name, pip{}, "acme-api"); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v, want %q", name, err, bad)
		}
	}
}

func FuzzParseLockFile(f *testing.F) {
	f.Add(`{"schema":1,"manager":"pip","package":"a","version":"1","platforms":{"linux":"a==1 --hash=sha256:` + aHash + `\n"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if file, locks, err := ParseLockFile(text, pip{}, "a"); err == nil && (len(locks) != len(file.Platforms) || len(locks) == 0) {
			t.Errorf("%q is read as %+v", text, locks)
		}
	})
}
