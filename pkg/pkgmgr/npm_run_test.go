package pkgmgr

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/fleettest"
)

func webApp(name, version string) fleettest.NPMPackage {
	return fleettest.NPMPackage{
		Name: name, Version: version, Dependencies: map[string]string{"left": "^1.0.0", "right": "^1.0.0"},
		OptionalDependencies: map[string]string{"mac-only": "^1.0.0"},
		Bin:                  map[string]string{"acme-web": "main.js"},
		Scripts:              map[string]string{"postinstall": "node -e \"require('fs').writeFileSync('ran', '')\""},
		Files: map[string]string{
			"main.js": "#!/usr/bin/env node\nconsole.log('web', require('./package.json').version, require('left'), require('right'))\n"},
	}
}

func library(name, version string, dependencies map[string]string) fleettest.NPMPackage {
	return fleettest.NPMPackage{
		Name: name, Version: version, Dependencies: dependencies,
		Files: map[string]string{"index.js": "module.exports = '" + name + "-" + version + "'\n"}}
}

// web is an application under a name; both of its dependencies want another "base".
func web(t *testing.T, name string) *fleettest.Registry {
	t.Helper()
	need(t, "node", "npm")
	macOnly := library("mac-only", "1.0.0", nil)
	macOnly.OS = []string{"darwin"}
	registry, err := fleettest.NewRegistry(
		webApp(name, "1.0.0"), webApp(name, "1.1.0"), webApp(name, "2.0.0-rc.1"),
		library("left", "1.0.0", map[string]string{"base": "^1.0.0"}), library("right", "1.0.0", map[string]string{"base": "^2.0.0"}),
		library("base", "1.0.0", nil), library("base", "2.0.0", nil), macOnly,
	)
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

func npmOffers(t *testing.T, n *testNode, s Source) Offers {
	t.Helper()
	o, err := npm{}.ParseOffers(n.must(npm{}.Offers(s)))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func npmResolve(t *testing.T, n *testNode, s Source, version string) Lock {
	t.Helper()
	lock, err := npm{}.ParseResolved(n.must(npm{}.Resolve(s, version)))
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func TestNpmFromVersionToRelease(t *testing.T) {
	t.Parallel()
	registry := web(t, "@acme/web")
	n := newNode(t)
	s := Source{Package: "@acme/web", Index: serve(t, registry).URL + "/"}
	probed := n.must(npm{}.Probe(s))
	if problems := probed.All("problem"); len(problems) > 0 || !strings.Contains(probed.Get("platform"), "-node") || probed.Get("npm") == "" {
		t.Fatalf("probe: %v", probed)
	}

	registry.Tag("@acme/web", "next", "2.0.0-rc.1")
	o := npmOffers(t, n, s)
	for want, expected := range map[string]string{"": "1.1.0", "latest": "1.1.0", "next": "2.0.0-rc.1", "1.0.0": "1.0.0"} {
		if got, err := Choose(npm{}, o, want, false); got != expected {
			t.Errorf("asked for %q: %q (%v)", want, got, err)
		}
	}

	lock := npmResolve(t, n, s, "1.1.0")
	if got := names(lock); !strings.Contains(got, "@acme/web 1.1.0") || !strings.Contains(got, "/node_modules/base ") {
		t.Errorf("the lock has %s", got)
	}
	if strings.Contains(lock.Text, "127.0.0.1") {
		t.Errorf("the registry's address is in the lock:\n%s", lock.Text)
	}
	dir := n.dir("1.1.0")
	facts := n.must(npm{}.Install(s, lock, dir))
	if err := (npm{}).Verify(lock, facts); err != nil {
		t.Error(err)
	}
	if slices.Contains(facts.All("installed"), "mac-only 1.0.0") {
		t.Error("a package for another platform was installed")
	}
	out, err := exec.Command(filepath.Join(dir, "node_modules/.bin/acme-web")).CombinedOutput()
	if string(out) != "web 1.1.0 left-1.0.0 right-1.0.0\n" {
		t.Errorf("the application says %q (%v)", out, err)
	}
	for _, left := range []string{".npmrc", "node_modules/@acme/web/ran"} {
		if _, err := os.Stat(filepath.Join(dir, left)); err == nil {
			t.Errorf("%s is there", left)
		}
	}
	n.refuses(npm{}.Install(s, lock, dir), "is there already", "")

	s.AllowScripts = true
	n.write(".npmrc", "ignore-scripts=true\n")
	n.must(npm{}.Install(s, lock, n.dir("scripts")))
	if _, err := os.Stat(filepath.Join(n.dir("scripts"), "node_modules/@acme/web/ran")); err != nil {
		t.Errorf("allowed lifecycle scripts did not run: %v", err)
	}
}

func TestNpmInstallsTheLockAndNothingElse(t *testing.T) {
	installs(t)
	t.Parallel()
	registry := web(t, "web")
	server := serve(t, registry)
	n := newNode(t)
	s := Source{Package: "web", Index: server.URL}
	lock := npmResolve(t, n, s, "1.0.0")
	clear := func() { os.RemoveAll(filepath.Join(n.home, ".npm")) }

	put := func(p fleettest.NPMPackage) {
		t.Helper()
		if err := registry.Add(p); err != nil {
			t.Fatal(err)
		}
		clear()
	}
	put(library("left", "1.5.0", nil))
	facts := n.must(npm{}.Install(s, lock, n.dir("newer")))
	if err := (npm{}).Verify(lock, facts); err != nil {
		t.Error(err)
	}
	other := lock
	other.Packages = append(slices.Clone(lock.Packages[1:]), Locked{Name: "more", Version: "1.0.0"})
	err := npm{}.Verify(other, facts)
	if err == nil || !strings.Contains(err.Error(), lock.Packages[0].Name+" 1.0.0 is not in the lock; more 1.0.0 is missing") {
		t.Errorf("Verify says %v", err)
	}

	put(library("left", "1.0.0", map[string]string{"base": "^1.0.0", "evil": "1"}))
	dir := n.dir("replaced")
	n.refuses(npm{}.Install(s, lock, dir), "ntegrity checksum failed", "file of left is not")
	if _, err := os.Stat(dir); err == nil {
		t.Error("a failed installation was left behind")
	}

	server.Close()
	clear()
	n.environ = append(n.environ, "npm_config_fetch_retries=0")
	n.refuses(npm{}.Install(s, lock, n.dir("dead")), "ECONNREFUSED", "reaches the registry")
	n.refuses(npm{}.Offers(s), "ECONNREFUSED", "reaches the registry")
}

func TestNpmCredentials(t *testing.T) {
	installs(t)
	const token = "npm_s3cret/+="
	for name, prepare := range map[string]func(n *testNode, s *Source, host string){
		"of index_auth": func(_ *testNode, s *Source, _ string) { s.Password = token },
		"of .npmrc": func(n *testNode, s *Source, host string) {
			s.Index = ""
			n.environ = append(n.environ, "TOKEN="+token)
			n.write(".npmrc", "registry=http://"+host+"/\n@acme:registry=http://"+host+"/\n//"+host+"/:_authToken=${TOKEN}\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := web(t, "@acme/web")
			registry.Token = token
			server := serve(t, watchArguments(t, "npm_s3cret", registry))
			n := newNode(t)
			s := Source{Package: "@acme/web", Index: server.URL}
			n.refuses(npm{}.Offers(s), "401", "index_auth")
			prepare(n, &s, server.Listener.Addr().String())
			if got := len(npmOffers(t, n, s).Versions); got != 3 {
				t.Errorf("%d versions", got)
			}
			lock := npmResolve(t, n, s, "1.0.0")
			n.must(npm{}.Install(s, lock, n.dir("a")))
			n.hides("npm_s3cret")
		})
	}
}

func TestNpmCannotResolve(t *testing.T) {
	installs(t)
	t.Parallel()
	registry := web(t, "web")
	n := newNode(t)
	s := Source{Index: serve(t, registry).URL}
	broken := library("broken", "1.0.0", map[string]string{"left": "^9.0.0"})
	if err := registry.Add(broken); err != nil {
		t.Fatal(err)
	}
	n.write("folder/package.json", `{"name": "folder", "version": "1.0.0"}`)
	local := library("local", "1.0.0", map[string]string{"folder": "file:" + filepath.Join(n.home, "folder")})
	if err := registry.Add(local); err != nil {
		t.Fatal(err)
	}
	s.Package = "broken"
	n.refuses(npm{}.Resolve(s, "1.0.0"), "left@^9.0.0", "")
	s.Package = "unknown"
	n.refuses(npm{}.Offers(s), "404", "spelling")
	s.Package = "local"
	facts, err := n.run(npm{}.Resolve(s, "1.0.0"))
	if err == nil {
		_, err = npm{}.ParseResolved(facts)
	}
	if err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a dependency on a folder: %v", err)
	}
}

func TestNpmProbeNamesWhatIsMissing(t *testing.T) {
	need(t, "node")
	bin := t.TempDir()
	n := newNode(t, "PATH="+bin+":"+os.Getenv("PATH"))
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\necho 6.14.18\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	facts := n.must(npm{}.Probe(Source{}))
	if got := facts.Get("problem"); !strings.Contains(got, "6.14.18") || !strings.Contains(facts.Get("hint"), "npm install") {
		t.Errorf("an old npm: %v", facts)
	}
	n.environ = append(n.environ, "PATH="+bin)
	facts = n.must(npm{}.Probe(Source{}))
	if got := facts.Get("problem"); got != "there is no node in PATH" {
		t.Errorf("no node: %v", facts)
	}
}
