package pkgmgr

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/fleettest"
)

func TestDescribeWheel(t *testing.T) {
	t.Parallel()
	name, content, err := fleettest.Wheel{Name: "Acme.Api", Version: "1.2.0.rc1", Files: map[string]string{"METADATA": "Name: evil\n\n"}}.Build()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	describe := func(name string, content []byte, pkg string) (Locked, error) {
		return pip{}.Describe(Source{Package: pkg}, name, bytes.NewReader(content), int64(len(content)))
	}
	want := Locked{Name: "acme-api", Version: "1.2.0rc1", Hash: "sha256:" + hex.EncodeToString(sum[:])}
	for _, name := range []string{name, "ACME_api-1.2.0rc1-1a-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"} {
		if got, err := describe(name, content, "acme_api"); err != nil || got != want {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	if _, err := describe(name, content, "other"); !isOther(err) {
		t.Errorf("another package: %v", err)
	}
	for _, odd := range []string{"", "acme_api.whl", "acme-api-1.2.0rc1.tar.gz", "../" + name, "-" + name, "$(id)-1-a-b-c.whl",
		"acme_api-1.2.0rc1-py3-none-any.whl\n", "other-1.2.0rc1-py3-none-any.whl", "acme_api-1.2.0-py3-none-any.whl"} {
		if _, err := describe(odd, content, "acme-api"); err == nil || isOther(err) {
			t.Errorf("%q: %v", odd, err)
		}
	}
	for what, content := range map[string][]byte{"cut off": content[:len(content)-30], "empty": nil, "text": []byte("hello")} {
		if _, err := describe(name, content, "acme-api"); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}

func isOther(err error) bool {
	_, ok := errors.AsType[*OtherPackageError](err)
	return ok
}

func TestDescribeTarball(t *testing.T) {
	t.Parallel()
	name, content, err := fleettest.NPMPackage{Name: "@acme/web", Version: "1.2.0"}.Build()
	if err != nil {
		t.Fatal(err)
	}
	describe := func(name string, content []byte, pkg string) (Locked, error) {
		return npm{}.Describe(Source{Package: pkg}, name, bytes.NewReader(content), int64(len(content)))
	}
	got, err := describe(name, content, "@acme/web")
	if err != nil || got.Name != "@acme/web" || got.Version != "1.2.0" || !strings.HasPrefix(got.Hash, "sha512-") || !integrity.MatchString(got.Hash) {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := describe(name, content, "web"); !isOther(err) {
		t.Errorf("another package: %v", err)
	}
	for _, odd := range []string{"", "a.zip", "../a.tgz", "-a.tgz", "a b.tgz", "$(id).tgz"} {
		if _, err := describe(odd, content, "@acme/web"); err == nil {
			t.Errorf("%q was accepted", odd)
		}
	}
	for what, content := range map[string][]byte{"cut off": content[:30], "empty": nil, "text": []byte("hello")} {
		if _, err := describe(name, content, "@acme/web"); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}

// The one file: that a lock may have is the project's own.
func TestLockOfATarball(t *testing.T) {
	t.Parallel()
	lock := func(root, path, resolved, hash string) string {
		return `{"lockfileVersion": 3, "packages": {"": {"dependencies": {"web": "` + root + `"}},
			"node_modules/` + path + `": {"version": "1.0.0", "resolved": "` + resolved + `", "integrity": "` + hash + `"}}}`
	}
	if _, err := (npm{}).ParseLock(lock(tarballSpec, "web", tarballSpec, "sha512-AAAA")); err != nil {
		t.Error(err)
	}
	for what, text := range map[string]string{
		"the project has another": lock("1.0.0", "web", tarballSpec, "sha512-AAAA"),
		"a dependency's":          lock(tarballSpec, "other", tarballSpec, "sha512-AAAA"),
		"one below":               lock(tarballSpec, "a/node_modules/web", tarballSpec, "sha512-AAAA"),
		"another file":            lock("file:../x.tgz", "web", "file:../x.tgz", "sha512-AAAA"),
		"no hash":                 lock(tarballSpec, "web", tarballSpec, ""),
	} {
		if _, err := (npm{}).ParseLock(text); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}
