package release

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/shell"
)

func run(t *testing.T, s shell.Script) (shell.Facts, error) {
	t.Helper()
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	shells := [][]string{{"sh"}, {"bash"}, {"busybox", "sh"}}
	argv := shells[len(t.Name())%len(shells)] // every shell gets its share
	for _, shell := range shells {
		if strings.Contains(t.Name(), "/in_"+shell[0]) {
			argv = shell
		}
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		argv = shells[0]
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	cmd.Stdin = strings.NewReader(text)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if stderr.Len() > 0 {
		t.Logf("%s: %s", s.Name, stderr.String())
	}
	facts := shell.ParseFacts(string(out))
	if reason := facts.Get("error"); err != nil && reason != "" {
		err = errors.New(reason)
	}
	return facts, err
}

func must(t *testing.T, s shell.Script) shell.Facts {
	t.Helper()
	facts, err := run(t, s)
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	return facts
}

func probe(t *testing.T, path string) State {
	t.Helper()
	state, err := ParseState(must(t, Probe(path)))
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// install puts a release of one file on the "node", as staging does.
func install(t *testing.T, path string, record Record) Record {
	t.Helper()
	must(t, Prepare(path, record.ID))
	dir := filepath.Join(path, "releases", record.ID)
	write(t, filepath.Join(dir, "bin", "app"), "version "+record.Version)
	write(t, filepath.Join(dir, "lib", "a file's name"), "x")
	write(t, filepath.Join(dir, "lib", "release.json"), "not the record")
	if err := os.Symlink("/usr/bin/python3", filepath.Join(dir, "bin", "python")); err != nil {
		t.Fatal(err)
	}
	finish, err := Finish(path, record, "app=="+record.Version+"\n", FileDate)
	if err != nil {
		t.Fatal(err)
	}
	written, err := ParseRecord(must(t, finish))
	if err != nil {
		t.Fatal(err)
	}
	return written
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func activate(t *testing.T, path string, record Record) {
	t.Helper()
	s, err := Switch(path, record)
	if err != nil {
		t.Fatal(err)
	}
	must(t, s)
}

const (
	one = "1.0.0-aaaaaaaa"
	two = "1.1.0-bbbbbbbb"
)

func TestLife(t *testing.T) {
	path := filepath.Join(t.TempDir(), "srv", "it's api")
	if state := probe(t, path); state.Current != "" || len(state.Records) != 0 || state.Free == 0 {
		t.Fatalf("a node without anything is read as %+v", state)
	}

	first := install(t, path, Record{ID: one, Version: "1.0.0", Service: "api", Staged: "d1"})
	first.Deployment = "d1"
	activate(t, path, first)
	must(t, Confirm(path, one))
	if state := probe(t, path); state.Current != one || state.Confirmed != one || state.Switched == 0 || state.CurrentRecord() != first {
		t.Fatalf("after the first deployment: %+v", state)
	}

	second := install(t, path, Record{ID: two, Version: "1.1.0", Service: "api", Staged: "d2"})
	second.Previous, second.Deployment = one, "d2"
	must(t, Verify(path, second))
	activate(t, path, second)
	if state := probe(t, path); state.Current != two || state.Confirmed != "" || state.CurrentRecord().Previous != one {
		t.Fatalf("a switch leaves the node unconfirmed; read: %+v", state)
	}

	must(t, SwitchBack(path, one))
	if state := probe(t, path); state.Current != one || state.CurrentRecord() != first {
		t.Fatalf("going back changed the record: %+v", state)
	}
	if lock := must(t, ReadLock(path, two)).Text("lock"); lock != "app==1.1.0" {
		t.Errorf("the lock reads %q", lock)
	}

	must(t, Withdraw(path))
	if state := probe(t, path); state.Current != "" || len(state.Records) != 2 {
		t.Fatalf("after withdrawing: %+v", state)
	}
}

func TestSwitchIsOneRename(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api")
	first, second := install(t, path, Record{ID: one, Version: "1.0.0"}), install(t, path, Record{ID: two, Version: "1.1.0"})
	activate(t, path, first)
	stop := make(chan struct{})
	bad := make(chan string, 1)
	go func() {
		defer close(bad)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := os.ReadFile(filepath.Join(path, "current", "bin", "app")); err != nil {
				bad <- err.Error()
				return
			}
		}
	}()
	for i := range 20 {
		activate(t, path, []Record{second, first}[i%2])
	}
	close(stop)
	if seen := <-bad; seen != "" {
		t.Errorf("a reader saw the moment between old and new: %s", seen)
	}
	if _, err := os.Lstat(filepath.Join(path, "releases", one, "current")); err == nil {
		t.Error("the link was moved into the release that current named")
	}
}

func TestSwitchRefusesWhatIsNoRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api")
	activate(t, path, install(t, path, Record{ID: one, Version: "1.0.0"}))
	must(t, Prepare(path, two))
	write(t, filepath.Join(path, "releases", two, "bin", "app"), "half installed")
	if _, err := run(t, SwitchBack(path, two)); err == nil {
		t.Error("an unfinished staging was activated")
	}
	state := probe(t, path)
	if state.Current != one || !slices.Equal(state.Leftovers, []string{two}) {
		t.Errorf("read as %+v", state)
	}
	must(t, Prepare(path, two))
	if entries, _ := os.ReadDir(filepath.Join(path, "releases", two)); len(entries) != 0 {
		t.Error("leftovers of an interrupted staging stay in the way of the next")
	}
	if _, err := run(t, Prepare(path, one)); err == nil {
		t.Error("a finished release would be overwritten")
	}
}

func TestVerifySeesEveryChange(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"a flipped byte": func(dir string) error { return os.WriteFile(dir+"/bin/app", []byte("version 1.0.1"), 0o644) },
		"a missing file": func(dir string) error { return os.Remove(dir + "/lib/a file's name") },
		"a changed link": func(dir string) error {
			return errors.Join(os.Remove(dir+"/bin/python"), os.Symlink("/bin/false", dir+"/bin/python"))
		},
		"a changed file with the name of the record": func(dir string) error { return os.WriteFile(dir+"/lib/release.json", []byte("{}"), 0o644) },
		"a changed list": func(dir string) error { return os.WriteFile(dir+"/rollpin.manifest", nil, 0o644) },
		"no list":        func(dir string) error { return os.Remove(dir + "/rollpin.manifest") },
		"a changed mode": func(dir string) error { return os.Chmod(dir+"/bin/app", 0o755) },
	} {
		path := filepath.Join(t.TempDir(), "api")
		record := install(t, path, Record{ID: one, Version: "1.0.0"})
		must(t, Verify(path, record))
		if err := harm(filepath.Join(path, "releases", one)); err != nil {
			t.Fatal(err)
		}
		if facts, err := run(t, Verify(path, record)); err == nil || facts.Get("damaged") != "yes" {
			t.Errorf("%s went unseen", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "api")
	record := install(t, path, Record{ID: one, Version: "1.0.0"})
	write(t, filepath.Join(path, "releases", one, "lib", "__pycache__", "m.pyc"), "byte-code of the running service")
	must(t, Verify(path, record))
}

func TestAComparisonThatFailsIsNoDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api")
	record := install(t, path, Record{ID: one, Version: "1.0.0"})
	for killed, others := range map[string][]string{"openssl": nil, "sha256sum": {"openssl"}} {
		if _, err := exec.LookPath(killed); err != nil {
			continue
		}
		bin := t.TempDir()
		program(t, bin, killed, "case $* in *./*) kill -9 $$ ;; *) PATH=${PATH#*:}; exec "+killed+" \"$@\" ;; esac")
		for _, other := range others {
			program(t, bin, other, "exit 127")
		}
		t.Run(killed, func(t *testing.T) {
			t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			if facts, err := run(t, Verify(path, record)); err == nil || facts.Get("damaged") != "" {
				t.Errorf("%v, facts %v", err, facts)
			}
		})
	}
}

func TestADamagedReleaseComesBackIfItCannotBeMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api")
	record := install(t, path, Record{ID: one, Version: "1.0.0"})
	must(t, Aside(path, one))
	must(t, Prepare(path, one))
	must(t, Unaside(path, one))
	if state := probe(t, path); state.Records[one] != record {
		t.Errorf("it did not come back: %+v", state)
	}
	must(t, Aside(path, one))
	anew := install(t, path, Record{ID: one, Version: "1.0.0", Staged: "d9"})
	must(t, Unaside(path, one))
	if state := probe(t, path); state.Records[one] != anew {
		t.Errorf("the new one did not stay: %+v", state)
	}
}

func TestWhatIsUnderReleases(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api")
	install(t, path, Record{ID: one, Version: "1.0.0"})
	write(t, filepath.Join(path, "releases", two, "release.json"), "") // a power cut
	write(t, filepath.Join(path, "releases", "1.2.0-cccccccc", "bin", "app"), "half installed")
	write(t, filepath.Join(path, "releases", "20240102030405", "app"), "Capistrano's")
	write(t, filepath.Join(path, "releases", "9.0.0-99999999", "release.json"), `{"schema": 2, "id": "9.0.0-99999999"}`)
	state := probe(t, path)
	if !slices.Equal(state.Leftovers, []string{two, "1.2.0-cccccccc"}) || len(state.Records) != 1 {
		t.Errorf("%+v", state)
	}
	must(t, Prepare(path, two)) // is not stuck
}

func TestRemoveComparesPlacesNotWords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api")
	install(t, path, Record{ID: one, Version: "1.0.0"})
	if err := os.Symlink(filepath.Join(path, "releases", one), filepath.Join(path, "current")); err != nil {
		t.Fatal(err)
	}
	if removed := must(t, Remove(path, []string{one})).All("removed"); len(removed) != 0 {
		t.Errorf("the release that runs was removed: %v", removed)
	}
}

func TestProbeNamesWhatIsInTheWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api")
	write(t, filepath.Join(path, "current", "file"), "a directory where the link should be")
	facts := must(t, Probe(path))
	if !strings.Contains(facts.Get("problem"), "not a symbolic link") || facts.Get("hint") == "" {
		t.Errorf("facts: %v", facts)
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	if facts := must(t, Probe(file+"/api")); !strings.Contains(facts.Get("problem"), "not a directory") {
		t.Errorf("facts: %v", facts)
	}
}

func TestRemoveSparesTheCurrentRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api")
	activate(t, path, install(t, path, Record{ID: one, Version: "1.0.0"}))
	install(t, path, Record{ID: two, Version: "1.1.0"})
	if removed := must(t, Remove(path, []string{one, two})).All("removed"); !slices.Equal(removed, []string{two}) {
		t.Errorf("removed %v", removed)
	}
	if state := probe(t, path); !state.Has(one) || state.Has(two) {
		t.Errorf("left: %+v", state)
	}
}

func TestObsolete(t *testing.T) {
	state := State{Current: "5-00000005", Leftovers: []string{"9-00000009"}, Records: map[string]Record{
		"1-00000001": {ID: "1-00000001", Staged: "20260101"},
		"2-00000002": {ID: "2-00000002", Staged: "20260102"},
		"3-00000003": {ID: "3-00000003", Staged: "20260103", Deployment: "20260109"},
		"5-00000005": {ID: "5-00000005", Staged: "20260105", Previous: "1-00000001"},
	}}
	for keep, want := range map[int]string{
		1: "9-00000009 2-00000002 3-00000003",
		3: "9-00000009 2-00000002",
		4: "9-00000009",
		9: "9-00000009",
	} {
		if got := strings.Join(state.Obsolete(keep), " "); got != want {
			t.Errorf("keep %d: removes %q, want %q", keep, got, want)
		}
	}
}

func TestFiveFailedDeploymentsDoNotEvictTheGoodRelease(t *testing.T) { // deployer#814
	state := State{Current: "1-00000001", Records: map[string]Record{
		"1-00000001": {ID: "1-00000001", Staged: "0", Previous: "0-00000000"},
		"0-00000000": {ID: "0-00000000", Staged: "0"},
	}}
	for _, id := range []string{"2-00000002", "3-00000003", "4-00000004", "5-00000005", "6-00000006"} {
		state.Records[id] = Record{ID: id, Staged: "2"}
	}
	for _, id := range state.Obsolete(1) {
		if id == "1-00000001" || id == "0-00000000" {
			t.Errorf("%s would be removed", id)
		}
	}
}

func TestIDs(t *testing.T) {
	if id := ID("1.0.0rc1", "3f9a1c2bffff"); id != "1.0.0rc1-3f9a1c2b" || !ValidID(id) || VersionOf(id) != "1.0.0rc1" {
		t.Errorf("id %s", id)
	}
	for _, id := range []string{"", "1.0.0", "../x-01234567", "a/b-01234567", "1..0-01234567", "1.0-0123456G", "1\n-01234567", "-1-01234567"} {
		if ValidID(id) {
			t.Errorf("%q passes for a release id", id)
		}
	}
}

func FuzzParseState(f *testing.F) {
	f.Add("::path /srv/api\n::release 1-00000001\n::record {\"schema\":1,\"id\":\"1-00000001\"}\n::free 12")
	f.Fuzz(func(t *testing.T, output string) {
		state, err := ParseState(shell.ParseFacts(output))
		if err == nil {
			state.Obsolete(1)
		}
	})
}
