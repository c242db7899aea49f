package release

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/shell"
)

// inEveryShell runs do in each shell; in busybox with its tools too, as on Alpine.
func inEveryShell(t *testing.T, do func(t *testing.T)) {
	for _, name := range []string{"sh", "bash", "busybox"} {
		t.Run("in "+name, func(t *testing.T) {
			real, err := exec.LookPath(name)
			if err != nil {
				t.Skip(err)
			}
			if name == "busybox" {
				tools := t.TempDir()
				if out, err := exec.Command("busybox", "--install", "-s", tools).CombinedOutput(); err != nil {
					t.Skipf("%v: %s", err, out)
				}
				program(t, tools, "busybox", `exec "${0%busybox}$@"`)
				if out, _ := exec.Command("busybox", "tar", "--help").CombinedOutput(); !strings.Contains(string(out), "-T") { // Alpine's has it
					tar, err := exec.LookPath("tar")
					if err != nil {
						t.Skip(err)
					}
					program(t, tools, "tar", `case " $* " in *" -T "*) exec `+tar+` "$@" ;; *) exec `+real+` tar "$@" ;; esac`)
				}
				t.Setenv("PATH", tools)
			}
			do(t)
		})
	}
}

// program writes a shell script.
func program(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	_ = os.Remove(path)
	write(t, path, "#!/bin/sh\n"+text+"\n")
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// wildTree fills a release with all that a package manager may leave.
func wildTree(t *testing.T, dir string) {
	for name, text := range map[string]string{
		"bin/app": "#!/bin/sh\n", "lib/module.py": "x = 1\n", "lib/__init__.py": "", "lib/a file's \"name\"": "quotes", "lib/ümläut/日本.txt": "unicode",
		"lib/-rf": "a dash", "-n": "a dash at the top", "lib/$(touch pwned)`id`;&": "shell", "lib/*?[a]": "globs", "lib/ both ends ": "blanks",
		"lib/release.json": "not the record", "lib/rollpin.manifest": "not the manifest", "lib/@file": "at", "lib/%41": "percent",
		"lib/" + strings.Repeat("long/", 30) + strings.Repeat("n", 120): "deep", "node_modules/.bin/x": "dots", "lib/\xff\xfe": "no utf-8", "lib/big": strings.Repeat("0123456789abcdef", 20000),
	} {
		write(t, filepath.Join(dir, name), text)
	}
	for name, mode := range map[string]fs.FileMode{"bin/app": 0o755, "lib/module.py": 0o600, "lib/-rf": 0o444, "lib/%41": 0o4711 &^ 0o4000, "lib/@file": 0o777} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]fs.FileMode{"empty": 0o755, "lib/empty too": 0o700, "shut/inner": 0o755, "shut": 0o711, "open": 0o777} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, name), 0o755), os.Chmod(filepath.Join(dir, name), mode)); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"bin/python": "/usr/bin/python3", "lib/dangling": "no such thing", "lib/up": "../bin", "lib/a link's name": "a file's \"name\"", "lib/-l": "-rf", "lib/self": ".",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "bin/app"), filepath.Join(dir, "bin/app-too")); err != nil {
		t.Fatal(err)
	}
}

// made makes a release out of what fill puts there.
func made(t *testing.T, path string, record Record, fill func(*testing.T, string)) Record {
	t.Helper()
	must(t, Prepare(path, record.ID))
	fill(t, filepath.Join(path, "releases", record.ID))
	finish, err := Finish(path, record, "a==1\n", FileDate)
	if err != nil {
		t.Fatal(err)
	}
	written, err := ParseRecord(must(t, finish))
	if err != nil {
		t.Fatal(err)
	}
	return written
}

// tree tells of everything below a directory what a user could see, but for the record.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	seen := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		inner, _ := filepath.Rel(dir, name)
		if err != nil || inner == "." || inner == "release.json" {
			return err
		}
		about, err := d.Info()
		if err != nil {
			return err
		}
		seen[inner] = fmt.Sprint(about.Mode(), " ", about.ModTime().UTC().Format(time.DateTime))
		switch {
		case about.Mode().IsRegular():
			text, err := os.ReadFile(name)
			seen[inner] += fmt.Sprintf(" %d %x", len(text), sha256.Sum256(text))
			return err
		case about.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			seen[inner] = "-> " + target // nobody sets the date of a link
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func sameTree(t *testing.T, want, got string) {
	t.Helper()
	w, g := tree(t, want), tree(t, got)
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if g[name] != w[name] {
			t.Errorf("%q is %q, not %q", name, g[name], w[name])
		}
		delete(g, name)
	}
	for name := range g {
		t.Errorf("%q is there too", name)
	}
}

// packed is the archive of a release.
func packed(t *testing.T, path, id string) (archive []byte, sum string) {
	t.Helper()
	p, err := ParsePacked(must(t, Pack(path, id)))
	if err != nil {
		t.Fatal(err)
	}
	if archive, err = os.ReadFile(p.File); err != nil || int64(len(archive)) != p.Size {
		t.Fatalf("%d bytes, and %d are said: %v", len(archive), p.Size, err)
	}
	if sum = fmt.Sprintf("%x", sha256.Sum256(archive)); sum != p.SHA256 {
		t.Fatalf("the digest %s is another one", p.SHA256)
	}
	must(t, Discard(path, id))
	if left, _ := os.ReadDir(filepath.Join(path, ".rollpin", "outgoing")); len(left) > 0 {
		t.Errorf("left after packing: %v", left)
	}
	return archive, sum
}

// received makes a release out of an archive.
func received(t *testing.T, path string, r Received, archive []byte) (shell.Facts, error) {
	t.Helper()
	file := must(t, Admit(path, r.Record.ID, 0)).Get("incoming")
	if err := os.WriteFile(file, archive, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Receive(path, r)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, s)
}

func TestAWholeReleaseArrivesAsItIs(t *testing.T) {
	inEveryShell(t, func(t *testing.T) {
		builder, other := filepath.Join(t.TempDir(), "it's", "api"), filepath.Join(t.TempDir(), "srv", "api")
		record := made(t, builder, Record{ID: one, Version: "1.0.0"}, wildTree)
		must(t, Verify(builder, record))
		archive, sum := packed(t, builder, one)
		record.Staged = "d7"
		facts, err := received(t, other, Received{Record: record, SHA256: sum, Date: FileDate}, archive)
		if err != nil {
			t.Fatal(err)
		}
		if written, err := ParseRecord(facts); err != nil || written != record {
			t.Errorf("its record is %+v: %v", written, err)
		}
		sameTree(t, filepath.Join(builder, "releases", one), filepath.Join(other, "releases", one))
		must(t, Verify(other, record))
		if state := probe(t, other); !state.Has(one) || len(state.Debris)+len(state.Leftovers) > 0 {
			t.Errorf("after it: %+v", state)
		}
		if _, err := os.Stat(filepath.Join(other, "releases", one, "lib", "pwned")); err == nil {
			t.Error("a name was run")
		}
	})
}

// A large archive is unpacked by Python where that works, and by gzip where not.
func TestALargeReleaseArrivesAsItIs(t *testing.T) {
	builder := filepath.Join(t.TempDir(), "api")
	record := made(t, builder, Record{ID: one, Version: "1.0.0"}, func(t *testing.T, dir string) {
		wildTree(t, dir)
		big := make([]byte, 9_000_000)
		rand.NewChaCha8([32]byte{}).Read(big)
		write(t, filepath.Join(dir, "lib", "big too"), string(big))
	})
	archive, sum := packed(t, builder, one)
	bin := t.TempDir()
	program(t, bin, "python3", "head -c 5000000; exit 1")
	for _, path := range []string{os.Getenv("PATH"), bin + ":" + os.Getenv("PATH")} {
		t.Setenv("PATH", path)
		other := filepath.Join(t.TempDir(), "api")
		if _, err := received(t, other, Received{Record: record, SHA256: sum, Date: FileDate}, archive); err != nil {
			t.Fatal(err)
		}
		sameTree(t, filepath.Join(builder, "releases", one), filepath.Join(other, "releases", one))
	}
}

// A release is packed with one order and date of its files, whichever node of a kind does it.
func TestTheSameFilesGiveTheSameDigest(t *testing.T) {
	var digests []string
	inEveryShell(t, func(t *testing.T) {
		digests = append(digests, made(t, filepath.Join(t.TempDir(), "api"), Record{ID: one, Version: "1.0.0"}, wildTree).Digest)
	})
	if slices.Sort(digests); len(slices.Compact(digests)) != 1 {
		t.Errorf("digests %v", digests)
	}
}

func TestABundleThatIsNotWhatItWasIsUnfit(t *testing.T) {
	builder := filepath.Join(t.TempDir(), "api")
	record := made(t, builder, Record{ID: one, Version: "1.0.0"}, wildTree)
	archive, sum := packed(t, builder, one)
	otherDigest := record
	otherDigest.Digest = strings.Repeat("ab", 32)
	flipped := slices.Clone(archive)
	flipped[len(flipped)/2] ^= 1
	bundles := map[string]struct {
		record  Record
		archive []byte
		sum     string
	}{
		"cut off":                          {record, archive[:len(archive)/2], sum},
		"empty":                            {record, nil, sum},
		"one byte flipped":                 {record, flipped, sum},
		"of another release":               {otherDigest, archive, sum},
		"with a changed file":              {record, repacked(t, archive, func(h *tar.Header) { h.Name = strings.Replace(h.Name, "lib/big", "lib/bag", 1) }), ""},
		"without a file":                   {record, repacked(t, archive, func(h *tar.Header) { h.Name = strings.Replace(h.Name, "./lib/big", "", 1) }), ""},
		"with another mode":                {record, repacked(t, archive, func(h *tar.Header) { h.Mode = 0o640 }), ""},
		"with another date":                {record, repacked(t, archive, func(h *tar.Header) { h.ModTime = h.ModTime.Add(time.Hour) }), ""},
		"with a link that leads elsewhere": {record, repacked(t, archive, func(h *tar.Header) { h.Linkname = strings.Replace(h.Linkname, "python3", "python2", 1) }), ""},
	}
	inEveryShell(t, func(t *testing.T) {
		for name, c := range bundles {
			if c.sum == "" {
				c.sum = fmt.Sprintf("%x", sha256.Sum256(c.archive))
			}
			path := filepath.Join(t.TempDir(), "api")
			facts, err := received(t, path, Received{Record: c.record, SHA256: c.sum, Date: FileDate}, c.archive)
			if err == nil || facts.Get("unfit") == "" || !strings.Contains(err.Error(), one) {
				t.Errorf("a bundle %s: %v, facts %v", name, err, facts)
			}
			leavesNothing(t, path)
		}
	})
}

func leavesNothing(t *testing.T, path string) {
	t.Helper()
	if state := probe(t, path); len(state.Records)+len(state.Leftovers)+len(state.Debris) > 0 {
		t.Errorf("left: %+v", state)
	}
}

// repacked is an archive whose headers were changed; an entry that loses its name is left out.
func repacked(t *testing.T, archive []byte, change func(*tar.Header)) []byte {
	t.Helper()
	unzipped, err := gzip.NewReader(strings.NewReader(string(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	zipped := gzip.NewWriter(&out)
	from, to := tar.NewReader(unzipped), tar.NewWriter(zipped)
	for {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Name != "./"+ManifestName {
			change(header)
		}
		if header.Name == "" {
			continue
		}
		if err := to.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(to, from); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(to.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return []byte(out.String())
}

func TestFinishRefusesNamesThatNoManifestCanHold(t *testing.T) {
	inEveryShell(t, func(t *testing.T) {
		for _, name := range []string{"line\nbreak", "back\\slash", "a\ttab", "deep/er\nand", "nl\n", "carriage\rreturn"} {
			path := filepath.Join(t.TempDir(), "api")
			must(t, Prepare(path, one))
			write(t, filepath.Join(path, "releases", one, name), "x")
			finish, err := Finish(path, Record{ID: one, Version: "1.0.0"}, "a==1\n", FileDate)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run(t, finish); err == nil || !strings.Contains(err.Error(), "no manifest can name") {
				t.Errorf("%q: %v", name, err)
			}
			if state := probe(t, path); state.Has(one) {
				t.Errorf("%q: it looks like a release", name)
			}
		}
	})
}

func TestFinishRefusesWhatIsNoFile(t *testing.T) {
	inEveryShell(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "api")
		must(t, Prepare(path, one))
		write(t, filepath.Join(path, "releases", one, "app"), "x")
		if out, err := exec.Command("mkfifo", filepath.Join(path, "releases", one, "pipe")).CombinedOutput(); err != nil {
			t.Skipf("%v: %s", err, out)
		}
		finish, _ := Finish(path, Record{ID: one, Version: "1.0.0"}, "a==1\n", FileDate)
		if _, err := run(t, finish); err == nil || !strings.Contains(err.Error(), "./pipe") {
			t.Errorf("a pipe: %v", err)
		}
	})
}

// However far a receive gets, what it leaves is no release, and the next one begins anew.
func TestAnInterruptedReceiveIsNoRelease(t *testing.T) {
	builder := filepath.Join(t.TempDir(), "api")
	record := made(t, builder, Record{ID: one, Version: "1.0.0"}, wildTree)
	archive, sum := packed(t, builder, one)
	digester := "openssl"
	if _, err := exec.LookPath(digester); err != nil {
		digester = "sha256sum"
	}
	for _, signal := range []string{"KILL", "TERM"} {
		for _, tool := range []string{digester, "tar", "xargs", "touch", "find", "sort", "mv"} {
			path, bin := filepath.Join(t.TempDir(), "api"), t.TempDir()
			file := must(t, Admit(path, one, 0)).Get("incoming")
			if err := os.WriteFile(file, archive, 0o644); err != nil {
				t.Fatal(err)
			}
			real, err := exec.LookPath(tool)
			if err != nil {
				t.Fatal(err)
			}
			// The tool does what it should, and then all of the script is ended.
			program(t, bin, tool, real+" \"$@\"\nkill -"+signal+" -$(ps -o pgid= -p $$ | tr -d ' ')")
			receive, err := Receive(path, Received{Record: record, SHA256: sum, Date: FileDate})
			if err != nil {
				t.Fatal(err)
			}
			text, err := receive.Text()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("setsid", "--wait", "sh")
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
			cmd.Stdin = strings.NewReader(text)
			err = cmd.Run()
			state := probe(t, path)
			if tool == "mv" { // the last step: it had come to its end, or it had not
				if state.Has(one) {
					must(t, Verify(path, record))
				}
			} else if err == nil || state.Has(one) {
				t.Errorf("%s after %s: %v, and it looks like a release", signal, tool, err)
			}
			if state.Has(one) {
				continue
			}
			if _, err := received(t, path, Received{Record: record, SHA256: sum, Date: FileDate}, archive); err != nil {
				t.Errorf("%s after %s is in the way of the next: %v", signal, tool, err)
			}
		}
	}
}

func TestSwitchRefusesOneFlippedByte(t *testing.T) {
	inEveryShell(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "api")
		activate(t, path, install(t, path, Record{ID: one, Version: "1.0.0"}))
		must(t, Confirm(path, one))
		second := made(t, path, Record{ID: two, Version: "1.1.0"}, wildTree)
		app := filepath.Join(path, "releases", two, "lib", "big")
		text, err := os.ReadFile(app)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)/2] ^= 1
		about, _ := os.Stat(app)
		if err := errors.Join(os.WriteFile(app, text, 0o644), os.Chtimes(app, about.ModTime(), about.ModTime())); err != nil {
			t.Fatal(err)
		}
		before := tree(t, path)
		s, err := Switch(path, second)
		if err != nil {
			t.Fatal(err)
		}
		if facts, err := run(t, s); err == nil || !strings.Contains(err.Error(), "./lib/big") || facts.Get("damaged") == "" {
			t.Errorf("a flipped byte: %v", err)
		}
		if state := probe(t, path); state.Current != one || state.Confirmed != one {
			t.Errorf("the old one is not as it was: %+v", state)
		}
		if after := tree(t, path); !maps.Equal(before, after) {
			t.Errorf("the refusal wrote something")
		}
	})
}
