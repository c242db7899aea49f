package bundle

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/release"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// entry is one entry of a hostile or a good archive.
type entry struct {
	kind       byte
	name, text string
	mode       int64
}

func file(name, text string) entry   { return entry{tar.TypeReg, name, text, 0o640} }
func symlink(name, to string) entry  { return entry{tar.TypeSymlink, name, to, 0o777} }
func hardlink(name, to string) entry { return entry{tar.TypeLink, name, to, 0o644} }

func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	for _, e := range entries {
		header := &tar.Header{Typeflag: e.kind, Name: e.name, Mode: e.mode, ModTime: noon, Uid: 1000, Uname: "me"}
		body := ""
		switch e.kind {
		case tar.TypeReg:
			body, header.Size = e.text, int64(len(e.text))
		case tar.TypeSymlink, tar.TypeLink:
			header.Linkname = e.text
		case tar.TypeXGlobalHeader:
			header = &tar.Header{Typeflag: e.kind, Name: e.name, PAXRecords: map[string]string{"comment": e.text}}
		}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(content)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: noon}
		mode := fs.FileMode(e.mode)
		switch e.kind {
		case tar.TypeSymlink:
			mode |= fs.ModeSymlink
		case tar.TypeFifo:
			mode |= fs.ModeNamedPipe
		}
		header.SetMode(mode)
		w, err := archive.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, e.text)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func imported(t *testing.T, content []byte) (*Cache, Info, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "site")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	c := Open(filepath.Join(t.TempDir(), "bundles"), 1<<30)
	t.Cleanup(func() { c.Close() })
	info, err := c.Import(t.Context(), Info{Record: release.Record{ID: "1.0-aaaaaaaa"}, Lock: "site 1.0 sha256:00\n"}, name)
	return c, info, err
}

// The same files make the same bundle, whether they come as tar, tar.gz or zip, and in whatever order.
func TestImportNormalises(t *testing.T) {
	t.Parallel()
	program := entry{tar.TypeReg, "site/bin/run", "#!/bin/sh\n", 0o4711}
	index := file("./site/index.html", "hello")
	link := symlink("site/home", "index.html")
	pax := entry{kind: tar.TypeXGlobalHeader, name: "pax_global_header", text: "a commit"}
	folder := entry{kind: tar.TypeDir, name: "site/", mode: 0o700}
	const want = "d\t755\t./site\n" +
		"d\t755\t./site/bin\n" +
		"f\t644\t1772625600\t5\tSHA256\t./site/index.html\n" +
		"f\t644\t315532800\t19\tSHA256\t./rollpin.lock\n" +
		"f\t755\t1772625600\t10\tSHA256\t./site/bin/run\n" +
		"l\t./site/home\tindex.html\n"
	for name, content := range map[string][]byte{
		"tar":    tarOf(t, pax, entry{kind: tar.TypeDir, name: "./", mode: 0o755}, folder, program, index, link),
		"tar.gz": gzipped(t, tarOf(t, link, index, program, folder)),
		"zip":    zipOf(t, link, program, index),
	} {
		c, info, err := imported(t, content)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		manifest, err := c.Manifest(info.Digest())
		if got := withoutDigests(manifest.Text()); err != nil || got != want {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
		if info.Files != 3 || info.Date != "" || !info.HasArchive || info.Packed == 0 {
			t.Errorf("%s: %+v", name, info)
		}
		archive, err := os.ReadFile(filepath.Join(c.dir, info.Digest(), archiveFile))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := check(bytes.NewReader(archive), info.Digest()); err != nil {
			t.Errorf("%s: what was packed is not what its manifest says: %v", name, err)
		}
		if left, _ := filepath.Glob(filepath.Join(c.dir, tempPrefix+"*", "import-*")); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

func withoutDigests(manifest string) string {
	var out strings.Builder
	for line := range strings.Lines(manifest) {
		fields := strings.Split(line, "\t")
		if len(fields) == 6 {
			fields[4] = "SHA256"
		}
		out.WriteString(strings.Join(fields, "\t"))
	}
	return out.String()
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", maxName+1)
	chain := []entry{file("end", "")}
	for i := range maxLinks + 1 {
		chain = append(chain, symlink("l"+strconv.Itoa(i), "l"+strconv.Itoa(i+1)))
	}
	for name, c := range map[string]struct {
		entries []entry
		want    string
	}{
		"climbs":                       {[]entry{file("../evil", "")}, "leads outside"},
		"climbs in the middle":         {[]entry{file("a/../../evil", "")}, "leads outside"},
		"absolute":                     {[]entry{file("/etc/passwd", "")}, "absolute"},
		"backslash":                    {[]entry{file(`..\evil`, "")}, "backslash"},
		"tab":                          {[]entry{file("a\tb", "")}, "control character"},
		"line break":                   {[]entry{file("a\nb", "")}, "control character"},
		"escape":                       {[]entry{file("a\x1b[31m", "")}, "control character"},
		"a long name":                  {[]entry{file(long, "")}, "more than 255 bytes"},
		"a long path":                  {[]entry{file(strings.Repeat("aaaaaaa/", 300)+"a", "")}, "longer than"},
		"an absolute link":             {[]entry{symlink("a", "/etc")}, "leads outside"},
		"a link that climbs":           {[]entry{symlink("a/b", "../../x")}, "leads outside"},
		"a link that climbs by a link": {[]entry{symlink("x/y/root", "../.."), symlink("x/y/out", "root/../etc")}, "leads outside"},
		"a link around":                {[]entry{symlink("a", "b"), symlink("b", "a")}, "too many links"},
		"a chain of links":             {chain, "too many links"},
		"a link with a tab":            {[]entry{symlink("a", "b\tc")}, "no path"},
		"through a link":               {[]entry{symlink("a", "b"), file("a/evil", "")}, "below what is no directory"},
		"a link over a folder":         {[]entry{file("a/b", ""), symlink("a", "c")}, "twice"},
		"twice":                        {[]entry{file("a", "1"), file("./a", "2")}, "twice"},
		"a file below a file":          {[]entry{file("a", ""), file("a/b", "")}, "below what is no directory"},
		"a device":                     {[]entry{{kind: tar.TypeChar, name: "null", mode: 0o666}}, "device"},
		"a pipe":                       {[]entry{{kind: tar.TypeFifo, name: "pipe", mode: 0o666}}, "device"},
		"a hard link to the outside":   {[]entry{hardlink("a", "/etc/passwd")}, "absolute"},
		"a hard link to nothing":       {[]entry{hardlink("a", "b")}, "no file that came before"},
		"a hard link to a link":        {[]entry{symlink("b", "c"), hardlink("a", "b")}, "no file that came before"},
		"our record":                   {[]entry{file("release.json", "{}")}, "file of its own"},
		"our manifest":                 {[]entry{file("./rollpin.manifest.del", "")}, "file of its own"},
		"our lock":                     {[]entry{file("rollpin.lock", "")}, "file of its own"},
		"nothing":                      {nil, "nothing in it"},
	} {
		_, _, err := imported(t, gzipped(t, tarOf(t, c.entries...)))
		refused(t, "tar: "+name, err, c.want)
		if strings.Contains(name, "device") || strings.Contains(name, "hard link") {
			continue
		}
		_, _, err = imported(t, zipOf(t, c.entries...))
		refused(t, "zip: "+name, err, c.want)
	}
	good := gzipped(t, tarOf(t, file("a", strings.Repeat("abcdefgh", 9999))))
	for name, content := range map[string][]byte{
		"cut off": good[:len(good)-20], "no archive": []byte("hello, world"), "empty": nil, "gzip of no tar": gzipped(t, []byte("hello")),
		"xz": []byte("\xfd7zXZ\x00aaaa"), "zip cut off": zipOf(t, file("a", "b"))[:40],
	} {
		_, _, err := imported(t, content)
		refused(t, name, err, "")
	}
}

func refused(t *testing.T, name string, err error, want string) {
	t.Helper()
	if _, ok := errors.AsType[*UnusableError](err); !ok || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", name, err, want)
	}
}

// What is allowed although it looks odd.
func TestImportTakesOddities(t *testing.T) {
	t.Parallel()
	_, info, err := imported(t, tarOf(t, file("a b/ü/-x", ""), symlink("a b/out", "../b/./../c//"), symlink("dangling", "nowhere"),
		file("deep/release.json", ""), hardlink("again", "a b/ü/-x"), symlink("top", ".")))
	if err != nil || info.Files != 4 {
		t.Errorf("%+v %v", info, err)
	}
}

func TestImportIsBounded(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "bomb")
	for _, c := range []struct {
		content []byte
		limits  limits
	}{
		{tarOf(t, file("a", ""), file("b", ""), file("c", "")), limits{2, 1000, 1000}},
		{tarOf(t, file("a/b/c", "")), limits{2, 1000, 1000}},
		{gzipped(t, tarOf(t, file("a", strings.Repeat("0", 5000)))), limits{9, 1000, 1000}},
		{zipOf(t, file("a", strings.Repeat("0", 5000))), limits{9, 1000, 1000}},
		{tarOf(t, file("a", strings.Repeat("0", 600)), hardlink("b", "a")), limits{9, 1000, 1000}},
		{tarOf(t, file(strings.Repeat("a", 200), "")), limits{9, 1000, 100}},
	} {
		if err := os.WriteFile(name, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		var spool bytes.Buffer
		_, _, err := survey(t.Context(), name, "lock", &spool, c.limits)
		refused(t, "bomb", err, "more than")
		if int64(spool.Len()) > c.limits.bytes+1 {
			t.Errorf("%d bytes were written", spool.Len())
		}
	}
}

func TestImportStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	name := filepath.Join(t.TempDir(), "site")
	if err := os.WriteFile(name, tarOf(t, file("a", "b")), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Open(t.TempDir(), 1<<30)
	if _, err := c.Import(ctx, Info{}, name); !errors.Is(err, stop) {
		t.Error(err)
	}
}
