package pkgmgr

import (
	"reflect"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/shell"
)

var hashA, hashB = strings.Repeat("a", 64), strings.Repeat("b", 64)

func TestPipLock(t *testing.T) {
	facts := shell.Facts{{Key: "locked", Value: "zope.interface 5.04 " + hashB}, {Key: "locked", Value: "Acme_API 1.0.0.rc0 " + hashA}}
	lock, err := pip{}.ParseResolved(facts)
	if err != nil {
		t.Fatal(err)
	}
	want := "acme-api==1.0.0rc0 --hash=sha256:" + hashA + "\nzope-interface==5.4 --hash=sha256:" + hashB + "\n"
	if lock.Text != want {
		t.Errorf("got\n%swant\n%s", lock.Text, want)
	}
	again, err := pip{}.ParseLock(lock.Text)
	if err != nil || !reflect.DeepEqual(again, lock) || again.Digest() != lock.Digest() {
		t.Errorf("the lock reads back as %+v (%v)", again, err)
	}
	lock.Packages[0].Hash = "sha256:" + hashB
	if again.Digest() == lock.Digest() {
		t.Error("another hash gives the same digest")
	}
}

// What a node says becomes a requirements file, where a line may also be an option for pip.
func TestPipLockRefuses(t *testing.T) {
	for _, value := range []string{
		"", "a 1.0", "a 1.0 " + hashA + " x", "--index-url 1.0 " + hashA, "a;b 1.0 " + hashA, "a x " + hashA, "a 1.0 " + hashA[1:], "a 1.0 " + strings.ToUpper(hashA),
	} {
		if lock, err := (pip{}).ParseResolved(shell.Facts{{Key: "locked", Value: value}}); err == nil {
			t.Errorf("%q became %q", value, lock.Text)
		}
	}
	if _, err := (pip{}).ParseResolved(nil); err == nil {
		t.Error("a lock of nothing was made")
	}
	for _, text := range []string{"", "a==1.0\n", "a==1.0 --hash=sha256:" + hashA + "\na==1.1 --hash=sha256:" + hashB + "\n", "-r other.txt\n"} {
		if _, err := (pip{}).ParseLock(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func FuzzParsePipLock(f *testing.F) {
	f.Add("acme-api==1.0.0rc0 --hash=sha256:" + hashA + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		lock, err := pip{}.ParseLock(text)
		if err != nil {
			return
		}
		for _, p := range lock.Packages {
			if (pip{}).CheckPackage(p.Name) != nil || strings.ContainsAny(p.Version+p.Hash, " \n-;#\\") {
				t.Errorf("%q gave %+v", text, p)
			}
		}
	})
}

const npmLock = `{"name": "@rollpin/release", "lockfileVersion": 3, "packages": {
"": {"dependencies": {"@acme/web": "1.0.0"}},
"node_modules/@acme/web": {"version": "1.0.0", "integrity": "sha512-AAAA"},
"node_modules/a": {"version": "1.0.0", "resolved": "https://mirror.example/a.tgz", "integrity": "sha512-BBBB", "optional": true},
"node_modules/a/node_modules/b": {"version": "2.0.0", "inBundle": true}}}
`

func TestNpmLock(t *testing.T) {
	lock, err := npm{}.ParseLock(npmLock)
	if err != nil {
		t.Fatal(err)
	}
	want := []Locked{
		{Name: "@acme/web", Version: "1.0.0", Hash: "sha512-AAAA"},
		{Name: "a", Version: "1.0.0", Hash: "sha512-BBBB", Optional: true},
		{Name: "a/node_modules/b", Version: "2.0.0"},
	}
	if !reflect.DeepEqual(lock.Packages, want) || lock.Text != npmLock {
		t.Errorf("got %+v", lock.Packages)
	}
	mirrored, err := npm{}.ParseLock(strings.Replace(npmLock, "mirror.example", "other.example", 1))
	if err != nil || mirrored.Digest() != lock.Digest() {
		t.Errorf("another mirror gives another digest (%v)", err)
	}
	for _, v := range (npm{}).Install(Source{}, lock, "/srv/x").Vars {
		if v.Name == "manifest" && !strings.Contains(v.Value, `"@acme/web": "1.0.0"`) {
			t.Errorf("the project's manifest is %s", v.Value)
		}
	}
}

func TestNpmLockRefuses(t *testing.T) {
	for name, change := range map[string][2]string{
		"an old npm":       {`"lockfileVersion": 3`, `"lockfileVersion": 1`},
		"a git dependency": {`"integrity": "sha512-BBBB"`, `"resolved": "git+ssh://git@example/a.git#123"`},
		"a folder":         {`"integrity": "sha512-BBBB"`, `"resolved": "../a", "link": true`},
		"a file":           {`https://mirror.example/a.tgz`, `file:../a.tgz`},
		"a workspace":      {`"node_modules/a"`, `"packages/a"`},
		"a way out":        {`"node_modules/a"`, `"node_modules/../../a"`},
		"credentials":      {`https://mirror`, `https://ci:s3cret@mirror`},
		"an odd version":   {`"1.0.0", "integrity"`, `"1.0.0\n::x", "integrity"`},
		"an odd integrity": {`sha512-AAAA`, `sha512-AA AA`},
		"nothing":          {npmLock, `{"lockfileVersion": 3}`},
		"no JSON":          {npmLock, `lock`},
	} {
		_, err := npm{}.ParseLock(strings.Replace(npmLock, change[0], change[1], 1))
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseNpmLock(f *testing.F) {
	f.Add(npmLock)
	f.Fuzz(func(t *testing.T, text string) {
		lock, err := npm{}.ParseLock(text)
		if err != nil {
			return
		}
		for _, p := range lock.Packages {
			if strings.Contains(p.Name, "..") && strings.Contains(p.Name, "/../") || strings.ContainsAny(p.Name+p.Version, " \n\x00") {
				t.Errorf("%q gave %+v", text, p)
			}
		}
	})
}

func TestVerifyNamesEveryDifference(t *testing.T) {
	lock := Lock{Packages: []Locked{{Name: "a", Version: "1.0"}, {Name: "b", Version: "1.0"}, {Name: "c", Version: "1.0"}}}
	facts := shell.Facts{{Key: "installed", Value: "A 1.0.0"}, {Key: "installed", Value: "b 2.0"}, {Key: "installed", Value: "d 3.0"}, {Key: "installed", Value: "pip 23.0"}}
	err := pip{}.Verify(lock, facts)
	want := "what is installed differs from the lock: b is 2.0 instead of 1.0; c 1.0 is missing; d 3.0 is not in the lock"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	lock.Packages = append(lock.Packages[:1], Locked{Name: "pip", Version: "22.0"})
	if err := (pip{}).Verify(lock, facts[:1]); err == nil {
		t.Error("a locked pip that is missing was not noticed")
	}
}

func TestCheckPackage(t *testing.T) {
	for _, c := range []struct {
		m        Manager
		good, no []string
	}{
		{pip{}, []string{"a", "acme-api", "Zope.Interface", "a_b", "3to2"}, []string{"acme[web]", "-a", "a-", ".a"}},
		{npm{}, []string{"a", "acme-web", "@acme/web", "JSONStream", "lodash.get"}, []string{"@acme", "@/a", "@acme/", ".a", "_a", "-a", "a/b", "..", "@a/..", strings.Repeat("a", 215)}},
		{archive{}, []string{"a", "acme-site", "@acme/site"}, []string{"-a", ".a", "a/b", "..", strings.Repeat("a", 215)}},
	} {
		for _, name := range c.good {
			if err := c.m.CheckPackage(name); err != nil {
				t.Error(err)
			}
		}
		for _, name := range append(c.no, "", "a b", "a;id", "$(id)", "a\x00", "a\n", "a==1", "é", "../a", "https://x/y", "'") {
			if c.m.CheckPackage(name) == nil {
				t.Errorf("%s accepts %q", c.m.Name(), name)
			}
		}
	}
}

func TestFor(t *testing.T) {
	for _, name := range []string{"pip", "npm", "archive"} {
		if m, err := For(name); err != nil || m.Name() != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := For("apt"); err == nil {
		t.Error("apt is a manager")
	}
}
