package pkgmgr

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/fleettest"
)

// acme is an application in three versions, with a dependency.
func acme(t *testing.T) *fleettest.Index {
	t.Helper()
	index, err := fleettest.NewIndex(
		app("1.0.0"), app("1.1.0"), app("2.0.0rc1"),
		fleettest.Wheel{Name: "Acme.Lib", Version: "1.0", Files: map[string]string{"acme_lib.py": "NAME = 'lib 1.0'\n"}},
		fleettest.Wheel{Name: "Acme.Lib", Version: "1.2", Files: map[string]string{"acme_lib.py": "NAME = 'lib 1.2'\n"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func app(version string) fleettest.Wheel {
	return fleettest.Wheel{
		Name: "acme-api", Version: version, Requires: []string{"acme-lib>=1.0"},
		Files:   map[string]string{"acme_api.py": "import acme_lib\ndef main():\n    print('api " + version + " with', acme_lib.NAME)\n"},
		Scripts: map[string]string{"acme-api": "acme_api:main"},
	}
}

// pythons are interpreters that differ in what makes a venv ready: the first in PATH, the system's (Debian's pip is patched, PEP 668
// applies), and one without any pip.
func pythons(t *testing.T) map[string]string {
	t.Helper()
	need(t, "python3")
	bare := filepath.Join(t.TempDir(), "bare")
	if out, err := exec.Command("python3", "-m", "venv", "--without-pip", bare).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found := map[string]string{"in PATH": "python3", "without pip": filepath.Join(bare, "bin/python")}
	if exec.Command("/usr/bin/python3", "-c", "import venv, sys; sys.exit(sys.version_info < (3, 7))").Run() == nil {
		found["of the system"] = "/usr/bin/python3"
	}
	return found
}

func offers(t *testing.T, n *testNode, s Source) Offers {
	t.Helper()
	o, err := pip{}.ParseOffers(n.must(pip{}.Offers(s)))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func resolve(t *testing.T, n *testNode, s Source, version string) Lock {
	t.Helper()
	lock, err := pip{}.ParseResolved(n.must(pip{}.Resolve(s, version)))
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func TestPipFromVersionToRelease(t *testing.T) {
	for name, python := range pythons(t) {
		t.Run(name, func(t *testing.T) {
			if python != "python3" {
				installs(t)
			}
			t.Parallel()
			index := acme(t)
			server := serve(t, index)
			n := newNode(t)
			s := Source{Package: "acme_api", Index: server.URL + "/simple/", Python: python}

			probed := n.must(pip{}.Probe(s))
			if problems := probed.All("problem"); len(problems) > 0 || probed.Get("platform") == "" {
				t.Fatalf("probe: %v", probed)
			}
			version, err := Choose(pip{}, offers(t, n, s), "", false)
			if err != nil || version != "1.1.0" {
				t.Fatalf("the newest final version is %q (%v)", version, err)
			}
			lock := resolve(t, n, s, version)
			if got := names(lock); got != "acme-api 1.1.0, acme-lib 1.2" {
				t.Errorf("the lock has %s", got)
			}
			dir := n.dir(version)
			if err := (pip{}).Verify(lock, n.must(pip{}.Install(s, lock, dir))); err != nil {
				t.Error(err)
			}
			out, err := exec.Command(filepath.Join(dir, "bin/acme-api")).CombinedOutput()
			if string(out) != "api 1.1.0 with lib 1.2\n" {
				t.Errorf("the application says %q (%v)", out, err)
			}
			n.refuses(pip{}.Install(s, lock, dir), "is there already", "")
			if _, err := os.Stat(filepath.Join(dir, "bin/acme-api")); err != nil {
				t.Errorf("installing over a release broke it: %v", err)
			}
		})
	}
}

func names(l Lock) string {
	var names []string
	for _, p := range l.Packages {
		names = append(names, p.Name+" "+p.Version)
	}
	return strings.Join(names, ", ")
}

// withPip offers one real pip next to what index offers.
func withPip(index http.Handler, wheel string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", index)
	mux.HandleFunc("/simple/pip/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<a href="/pip/%s">pip</a>`, filepath.Base(wheel))
	})
	mux.HandleFunc("/pip/", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, wheel) })
	return mux
}

// An interpreter whose own pip and whose ensurepip are too old to report what they would install.
func TestPipTooOldToReport(t *testing.T) {
	installs(t)
	t.Parallel()
	old, newer := "", ""
	for _, installed := range globs("/root/.pyenv/versions/3.[789].*/lib/python3*/site-packages/pip-*.dist-info") {
		home, _, _ := strings.Cut(installed, "/lib/")
		if version := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(installed), ".dist-info"), "pip-"); (pip{}).Compare(version, "22.2") < 0 {
			old = filepath.Join(home, "bin/python3")
		}
	}
	for _, wheel := range globs("/root/.pyenv/versions/3.*/lib/python3*/ensurepip/_bundled/pip-23.0*.whl") {
		newer = wheel
	}
	if old == "" || newer == "" {
		t.Skip("there is no such interpreter here")
	}
	n := newNode(t)
	s := Source{Package: "acme-api", Index: serve(t, acme(t)).URL + "/simple", Python: old}
	n.refuses(pip{}.Resolve(s, "1.0.0"), "getting a pip that can resolve", "offer pip on the index")
	s.Index = serve(t, withPip(acme(t), newer)).URL + "/simple"
	lock := resolve(t, n, s, "1.0.0")
	if err := (pip{}).Verify(lock, n.must(pip{}.Install(s, lock, n.dir("a")))); err != nil {
		t.Error(err)
	}
}

func globs(pattern string) []string {
	found, _ := filepath.Glob(pattern)
	return found
}

func TestPipInstallsTheLockAndNothingElse(t *testing.T) {
	installs(t)
	t.Parallel()
	need(t, "python3")
	index := acme(t)
	server := serve(t, index)
	n := newNode(t)
	s := Source{Package: "acme-api", Index: server.URL + "/simple"}
	lock := resolve(t, n, s, "1.0.0")

	t.Run("when the index has newer versions", func(t *testing.T) {
		add(t, index, fleettest.Wheel{Name: "acme-lib", Version: "1.3"})
		if err := (pip{}).Verify(lock, n.must(pip{}.Install(s, lock, n.dir("newer")))); err != nil {
			t.Error(err)
		}
	})
	t.Run("when an entry is missing", func(t *testing.T) {
		short, err := pip{}.ParseLock(strings.SplitAfter(lock.Text, "\n")[0])
		if err != nil {
			t.Fatal(err)
		}
		facts := n.must(pip{}.Install(s, short, n.dir("short")))
		if err := (pip{}).Verify(lock, facts); err == nil || !strings.Contains(err.Error(), "acme-lib 1.2 is missing") {
			t.Errorf("Verify says %v", err)
		}
		if err := (pip{}).Verify(short, facts); err != nil {
			t.Error(err)
		}
	})
	t.Run("but not a replaced file", func(t *testing.T) {
		add(t, index, fleettest.Wheel{Name: "Acme.Lib", Version: "1.2", Files: map[string]string{"acme_lib.py": "evil = 1\n"}})
		dir := n.dir("replaced")
		n.refuses(pip{}.Install(s, lock, dir), "acme-lib==1.2", "who replaced it")
		if _, err := os.Stat(dir); err == nil {
			t.Error("a failed installation was left behind")
		}
	})
	t.Run("and says when the index is dead", func(t *testing.T) {
		// The cache still has what is unchanged; this version was never fetched.
		other := resolve(t, n, s, "1.1.0")
		os.RemoveAll(filepath.Join(n.home, ".cache"))
		server.Close()
		n.environ = append(n.environ, "PIP_RETRIES=0")
		n.refuses(pip{}.Install(s, other, n.dir("dead")), "acme-api==1.1.0", "")
		n.refuses(pip{}.Offers(s), "refused", "reaches it")
	})
}

func add(t *testing.T, index *fleettest.Index, w fleettest.Wheel) {
	t.Helper()
	if err := index.Add(w); err != nil {
		t.Fatal(err)
	}
}

func TestPipCredentials(t *testing.T) {
	installs(t)
	need(t, "python3")
	const password, encoded = "p@ss/w:rd%", "p%40ss%2Fw%3Ard%25"
	for name, prepare := range map[string]func(n *testNode, s *Source, host string){
		"of index_auth": func(_ *testNode, s *Source, _ string) { s.User, s.Password = "ci", password },
		"of the index's URL": func(_ *testNode, s *Source, host string) {
			s.Index = "http://ci:" + encoded + "@" + host + "/simple"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			index := acme(t)
			index.User, index.Password = "ci", password
			server := serve(t, watchArguments(t, "p@ss", watchArguments(t, "p%40ss", index)))
			n := newNode(t)
			s := Source{Package: "acme-api", Index: server.URL + "/simple"}
			n.refuses(pip{}.Offers(s), "401", "index_auth")
			prepare(n, &s, server.Listener.Addr().String())
			if got := len(offers(t, n, s).Versions); got != 3 {
				t.Errorf("%d versions", got)
			}
			lock := resolve(t, n, s, "1.0.0")
			n.must(pip{}.Install(s, lock, n.dir("a")))
			n.refuses(pip{}.Resolve(s, "9.9"), "No matching distribution", "allow_source")
			n.hides("p@ss")
			n.hides("p%40ss")
			script := pip{}.Resolve(s, "1.0.0")
			if secrets := script.Secrets(); len(secrets) != 3 {
				t.Errorf("%d spellings are struck out of what the node prints", len(secrets))
			}
		})
	}
}

// The node's own configuration stays in force where the service names no index.
func TestPipConfigurationOfTheNode(t *testing.T) {
	installs(t)
	t.Parallel()
	need(t, "python3")
	index := acme(t)
	index.User, index.Password = "ci", "s3cret"
	server := serve(t, watchArguments(t, "s3cret", index))
	extra, err := fleettest.NewIndex(fleettest.Wheel{Name: "acme-api", Version: "3.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	extra.User, extra.Password = "ci", "s3cret"
	n := newNode(t)
	n.write(".config/pip/pip.conf", "[global]\nindex-url = "+server.URL+"/simple\nuser = true\nrequire-virtualenv = true\n"+
		"[install]\nextra-index-url =\n    "+serve(t, extra).URL+"/simple\n")
	n.write(".netrc", "machine 127.0.0.1 login ci password s3cret\n")
	s := Source{Package: "acme-api"}
	version, err := Choose(pip{}, offers(t, n, s), "", false)
	if err != nil || version != "3.0.0" {
		t.Errorf("the newest of both indexes is %q (%v)", version, err)
	}
	lock := resolve(t, n, s, "1.0.0")
	if err := (pip{}).Verify(lock, n.must(pip{}.Install(s, lock, n.dir("a")))); err != nil {
		t.Error(err)
	}
	if strings.Contains(n.seen.String(), "s3cret") {
		t.Errorf("the password was printed: %s", n.seen.String())
	}
}

func TestPipWithoutAnIndex(t *testing.T) {
	installs(t)
	t.Parallel()
	need(t, "python3")
	n := newNode(t, "PIP_NO_INDEX=1")
	s := Source{Package: "acme-api"}
	n.refuses(pip{}.Offers(s), "no-index", "find-links")
	for _, w := range []fleettest.Wheel{app("1.0.0"), app("1.1.0"), {Name: "acme-lib", Version: "1.0"}, {Name: "other", Version: "9"}} {
		name, content, err := w.Build()
		if err != nil {
			t.Fatal(err)
		}
		n.write("wheels/"+name, string(content))
	}
	n.environ = append(n.environ, "PIP_FIND_LINKS="+filepath.Join(n.home, "wheels"))
	version, err := Choose(pip{}, offers(t, n, s), "", false)
	if err != nil || version != "1.1.0" {
		t.Fatalf("the newest in the folder is %q (%v)", version, err)
	}
	lock := resolve(t, n, s, version)
	if err := (pip{}).Verify(lock, n.must(pip{}.Install(s, lock, n.dir("a")))); err != nil {
		t.Error(err)
	}
}

func TestPipOffersWhatTheNodeCanUse(t *testing.T) {
	t.Parallel()
	need(t, "python3")
	for _, name := range []string{"JSON", "HTML"} {
		index, err := fleettest.NewIndex(
			fleettest.Wheel{Name: "acme-api", Version: "1.0"},
			fleettest.Wheel{Name: "acme-api", Version: "1.1", Yanked: "eats data & \"quotes\""},
			fleettest.Wheel{Name: "acme-api", Version: "1.2", RequiresPython: ">=99"},
			fleettest.Wheel{Name: "acme-api", Version: "1.3", Tag: "cp27-cp27m-win32"},
			fleettest.Wheel{Name: "acme-api", Version: "1.4", Source: true},
		)
		if err != nil {
			t.Fatal(err)
		}
		index.Plain = name == "HTML"
		n := newNode(t)
		s := Source{Package: "acme-api", Index: serve(t, index).URL + "/simple"}
		o := offers(t, n, s)
		if version, err := Choose(pip{}, o, "", false); version != "1.0" {
			t.Errorf("%s: the newest usable version is %q (%v)", name, version, err)
		}
		if _, err := Choose(pip{}, o, "1.1", false); err == nil || !strings.Contains(err.Error(), `eats data & "quotes"`) {
			t.Errorf("%s: a yanked version: %v", name, err)
		}
		s.AllowSource = true
		if version, err := Choose(pip{}, offers(t, n, s), "", false); version != "1.4" {
			t.Errorf("%s: the newest version, as source, is %q (%v)", name, version, err)
		}
		s.Package = "unknown"
		n.refuses(pip{}.Offers(s), "has no package unknown", "spelling")
	}
}

func TestPipSourceDistributions(t *testing.T) {
	installs(t)
	t.Parallel()
	need(t, "python3")
	index, err := fleettest.NewIndex(app("1.0.0"), fleettest.Wheel{
		Name: "acme-lib", Version: "1.0", Source: true, Files: map[string]string{"acme_lib.py": "NAME = 'built'\n"}})
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(t)
	s := Source{Package: "acme-api", Index: serve(t, index).URL + "/simple"}
	n.refuses(pip{}.Resolve(s, "1.0.0"), "acme-lib>=1.0", "allow_source")
	s.AllowSource = true
	lock := resolve(t, n, s, "1.0.0")
	if err := (pip{}).Verify(lock, n.must(pip{}.Install(s, lock, n.dir("a")))); err != nil {
		t.Error(err)
	}
	out, err := exec.Command(filepath.Join(n.dir("a"), "bin/acme-api")).CombinedOutput()
	if string(out) != "api 1.0.0 with built\n" {
		t.Errorf("the application says %q (%v)", out, err)
	}
}

func TestPipCannotResolve(t *testing.T) {
	installs(t)
	t.Parallel()
	need(t, "python3")
	index, err := fleettest.NewIndex(
		fleettest.Wheel{Name: "clash", Version: "1.0", Requires: []string{"left", "right"}},
		fleettest.Wheel{Name: "left", Version: "1.0", Requires: []string{"base<2"}},
		fleettest.Wheel{Name: "right", Version: "1.0", Requires: []string{"base>=2"}},
		fleettest.Wheel{Name: "base", Version: "1.0"}, fleettest.Wheel{Name: "base", Version: "2.0"},
		fleettest.Wheel{Name: "yanks", Version: "1.0", Requires: []string{"gone==1.0"}},
		fleettest.Wheel{Name: "gone", Version: "1.0", Yanked: "oops"},
	)
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, index)
	name, content, err := fleettest.Wheel{Name: "direct", Version: "1.0"}.Build()
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(t)
	n.write(name, string(content))
	add(t, index, fleettest.Wheel{Name: "byurl", Version: "1.0", Requires: []string{"direct @ file://" + filepath.Join(n.home, name)}})
	for _, c := range []struct{ name, reason, hint string }{
		{"clash", "left 1.0 depends on base<2", ""},
		{"byurl", "direct 1.0 is required by URL", "publish it"},
	} {
		n.refuses(pip{}.Resolve(Source{Package: c.name, Index: server.URL + "/simple"}, "1.0"), c.reason, c.hint)
	}
	facts := n.must(pip{}.Resolve(Source{Package: "yanks", Index: server.URL + "/simple"}, "1.0"))
	if note := facts.Get("note"); !strings.Contains(note, "gone") || !strings.Contains(note, "oops") {
		t.Errorf("a yanked dependency is not mentioned: %q", note)
	}
}

func TestPipProbeNamesWhatIsMissing(t *testing.T) {
	need(t, "python3")
	n := newNode(t)
	n.write("broken", "#!/bin/sh\nexit 2\n")
	if err := os.Chmod(filepath.Join(n.home, "broken"), 0o755); err != nil {
		t.Fatal(err)
	}
	for python, want := range map[string]string{
		"python-of-nobody":              "there is no python-of-nobody in PATH",
		filepath.Join(n.home, "broken"): "does not work",
		"it's; exit 3":                  "there is no it's; exit 3",
	} {
		facts := n.must(pip{}.Probe(Source{Python: python}))
		if got := facts.Get("problem"); !strings.Contains(got, want) || facts.Get("hint") == "" {
			t.Errorf("%s: problem %q, hint %q", python, got, facts.Get("hint"))
		}
	}
}

// Some indexes redirect to a store of files elsewhere; what opens the index is none of the store's business.
func TestPipCredentialsStayWithTheIndex(t *testing.T) {
	t.Parallel()
	need(t, "python3")
	pages := acme(t)
	leaked := make(chan string, 1)
	elsewhere := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked <- r.Header.Get("Authorization")
		pages.ServeHTTP(w, r)
	}))
	inside := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		switch {
		case password != "s3cret":
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasPrefix(r.URL.Path, "/old/"):
			http.Redirect(w, r, "/new/acme-api/", http.StatusFound)
		default:
			http.Redirect(w, r, elsewhere.URL+"/simple/acme-api/", http.StatusFound)
		}
	}))
	n := newNode(t)
	o := offers(t, n, Source{Package: "acme-api", Index: inside.URL + "/old", User: "ci", Password: "s3cret"})
	if len(o.Versions) != 3 {
		t.Errorf("%d versions", len(o.Versions))
	}
	if authorization := <-leaked; authorization != "" {
		t.Errorf("the credentials went to another server: %q", authorization)
	}
}

func TestPipInterrupted(t *testing.T) {
	t.Parallel()
	need(t, "python3")
	index := acme(t)
	blocked := make(chan struct{}, 1)
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/files/") {
			index.ServeHTTP(w, r)
			return
		}
		blocked <- struct{}{}
		<-r.Context().Done()
	}))
	lock, err := pip{}.ParseLock("acme-api==1.0.0 --hash=sha256:" + hashOf(t, app("1.0.0")) + "\n")
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(t)
	dir := n.dir("a")
	ended := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := n.runContext(ctx, pip{}.Install(Source{Package: "acme-api", Index: server.URL + "/simple"}, lock, dir))
		ended <- err
	}()
	<-blocked
	cancel()
	if err := <-ended; err == nil {
		t.Error("an interrupted installation worked")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it was left behind")
	}
}

func hashOf(t *testing.T, w fleettest.Wheel) string {
	t.Helper()
	_, content, err := w.Build()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(content))
}
