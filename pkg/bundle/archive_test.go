package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rollpin/rollpin/pkg/release"
)

// unpacked are the entries of an archive.
type unpacked struct {
	header *tar.Header
	body   string
}

func unpack(t *testing.T, archive string) []unpacked {
	t.Helper()
	var all []unpacked
	err := walk(archive, func(header *tar.Header, body io.Reader) error {
		text, err := io.ReadAll(body)
		all = append(all, unpacked{header, string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func repack(t *testing.T, entries []unpacked) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for _, e := range entries {
		header := *e.header
		header.Size = int64(len(e.body))
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAdoptRefuses(t *testing.T) {
	c := open(t, 1<<30)
	builder := newNode(t)
	content := files{"lib/m": "module", "bin/app": "!app", "bin/python": "-> python3", "lib/dir": "/ 755"}
	record := builder.build(one, content)
	original, err := os.ReadFile(builder.pack(c, one))
	if err != nil {
		t.Fatal(err)
	}
	foreign := newNode(t)
	foreign.build(one, with(content, files{"lib/m": "another"}))
	foreignArchive, err := os.ReadFile(foreign.pack(c, one))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(change func([]unpacked) []unpacked) []byte {
		return repack(t, change(unpack(t, archiveFileOf(t, c, original))))
	}
	each := func(name string, change func(*unpacked)) []byte {
		return edit(func(all []unpacked) []unpacked {
			for i := range all {
				if all[i].header.Name == name {
					change(&all[i])
				}
			}
			return all
		})
	}
	at := func(all []unpacked, name string) int {
		for i := range all {
			if all[i].header.Name == name {
				return i
			}
		}
		t.Fatalf("%s is not in it", name)
		return 0
	}
	for name, text := range map[string][]byte{
		"nothing":            nil,
		"no archive":         []byte("<html>404</html>"),
		"an empty archive":   repack(t, nil),
		"a cut archive":      original[:len(original)/2],
		"a cut off end":      original[:len(original)-10],
		"a flipped byte":     append(append(bytes.Clone(original[:len(original)/2]), original[len(original)/2]^1), original[len(original)/2+1:]...),
		"a foreign manifest": foreignArchive,
		"no manifest":        edit(func(all []unpacked) []unpacked { return all[1:] }),
		"the manifest alone": edit(func(all []unpacked) []unpacked { return all[:1] }),
		"the manifest last":  edit(func(all []unpacked) []unpacked { return append(all[1:len(all):len(all)], all[0]) }),
		"the manifest twice": edit(func(all []unpacked) []unpacked { return append(all, all[0]) }),
		"an extra file": edit(func(all []unpacked) []unpacked {
			return append(all, unpacked{&tar.Header{Typeflag: tar.TypeReg, Name: "./lib/extra", Mode: 0o644}, "x"})
		}),
		"a way out": edit(func(all []unpacked) []unpacked {
			return append(all, unpacked{&tar.Header{Typeflag: tar.TypeReg, Name: "../../evil", Mode: 0o644}, "x"})
		}),
		"a directory": edit(func(all []unpacked) []unpacked {
			return append(all, unpacked{&tar.Header{Typeflag: tar.TypeDir, Name: "./lib/dir", Mode: 0o755}, ""})
		}),
		"a missing file": edit(func(all []unpacked) []unpacked { i := at(all, "./lib/m"); return append(all[:i:i], all[i+1:]...) }),
		"a missing link": edit(func(all []unpacked) []unpacked { i := at(all, "./bin/python"); return append(all[:i:i], all[i+1:]...) }),
		"a file twice":   edit(func(all []unpacked) []unpacked { return append(all, all[at(all, "./lib/m")]) }),
		"changed bytes":  each("./lib/m", func(u *unpacked) { u.body = "modulo" }),
		"more bytes":     each("./lib/m", func(u *unpacked) { u.body += "!" }),
		"fewer bytes":    each("./lib/m", func(u *unpacked) { u.body = "" }),
		"another mode":   each("./bin/app", func(u *unpacked) { u.header.Mode = 0o644 }),
		"another date":   each("./lib/m", func(u *unpacked) { u.header.ModTime = u.header.ModTime.AddDate(1, 0, 0) }),
		"another target": each("./bin/python", func(u *unpacked) { u.header.Linkname = "python2" }),
		"a link for a file": each("./lib/m", func(u *unpacked) {
			u.header.Typeflag, u.header.Linkname, u.body = tar.TypeSymlink, "/etc/passwd", ""
		}),
		"a hard link for a file": each("./lib/m", func(u *unpacked) { u.header.Typeflag, u.header.Linkname, u.body = tar.TypeLink, "./bin/app", "" }),
		"a file for a link":      each("./bin/python", func(u *unpacked) { u.header.Typeflag, u.header.Linkname, u.body = tar.TypeReg, "", "x" }),
		"a device for a file":    each("./lib/m", func(u *unpacked) { u.header.Typeflag, u.body = tar.TypeChar, "" }),
	} {
		if info, err := c.Adopt(Info{Record: record}, fromFile(archiveFileOf(t, c, text))); err == nil || !strings.Contains(err.Error(), one) {
			t.Errorf("%s was taken: %+v, %v", name, info, err)
		}
		if all, err := c.List(); err != nil || len(all) > 0 {
			t.Fatalf("%s is in the cache: %v, %v", name, all, err)
		}
	}
	if _, err := c.Adopt(Info{Record: record}, fromFile(archiveFileOf(t, c, original))); err != nil {
		t.Errorf("the archive itself: %v", err)
	}
	if _, err := c.Adopt(Info{Record: record}, fromFile(filepath.Join(t.TempDir(), "none"))); err == nil {
		t.Error("an archive that is not there was taken")
	}
}

// Fifty nodes ask for the same delta at once, and it is made one time; another base is another delta.
func TestADeltaIsMadeOnce(t *testing.T) {
	c := open(t, 1<<30)
	builder := newNode(t)
	content := files{"lib/big": noise(100_000, 1), "lib/m": "1"}
	builder.build(one, content)
	info := builder.adopt(c, builder.build(two, with(content, files{"lib/m": "2"})))
	want := builder.manifest(two)
	d, ok := want.DeltaFrom(map[string]release.Manifest{one: builder.manifest(one)})
	if !ok {
		t.Fatal("no delta")
	}
	other, ok := want.DeltaFrom(map[string]release.Manifest{"1.0.5-cccccccc": builder.manifest(one)})
	if !ok {
		t.Fatal("no delta")
	}
	payloads := make([]Payload, 50)
	var group sync.WaitGroup
	for i := range payloads {
		group.Go(func() {
			made, err := c.Delta(info, d)
			if err != nil {
				t.Error(err)
			}
			payloads[i] = made
		})
	}
	group.Wait()
	for _, p := range payloads {
		if p != payloads[0] {
			t.Fatalf("%+v and %+v", p, payloads[0])
		}
	}
	second, err := c.Delta(info, other)
	if err != nil || second.File == payloads[0].File || second.Base != "1.0.5-cccccccc" {
		t.Errorf("for another base: %+v, %v", second, err)
	}
	if made, _ := filepath.Glob(filepath.Join(filepath.Dir(second.File), "*.tar.gz")); len(made) != 2 {
		t.Errorf("made were %v", made)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.Dir(), tempPrefix+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func FuzzCheck(f *testing.F) {
	var seed bytes.Buffer
	zipped := gzip.NewWriter(&seed)
	archive := tar.NewWriter(zipped)
	text := "l\t./python\tpython3\n"
	m, err := release.ParseManifest(text)
	if err != nil {
		f.Fatal(err)
	}
	err = errors.Join(archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "./" + release.ManifestName, Size: int64(len(text)), Mode: 0o644}))
	_, writeErr := io.WriteString(archive, text)
	err = errors.Join(err, writeErr, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "./python", Linkname: "python3"}), archive.Close(), zipped.Close())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		if got, err := check(bytes.NewReader(content), m.Digest()); err == nil && got.Text() != text {
			t.Errorf("taken for %q", got.Text())
		}
	})
}
