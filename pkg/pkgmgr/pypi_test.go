package pkgmgr

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"reflect"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/shell"
)

const htmlPage = `<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.1"><base href="https://files.example/x/"></head><body>
<A HREF="../../files/acme_api-1.0-py3-none-any.whl#sha256=00" data-requires-python="&gt;=3.8&#44;&lt;4">acme_api-1.0</a>
<a href='https://cdn.example/p/acme_api-1.1%2Blocal.1-py3-none-any.whl?x=a/b' data-yanked>named otherwise</a>
<a href="acme-api-1.2.tar.gz" data-yanked="&quot;bad&quot; &amp; worse">x</a><a name="nothing">no file</a><a href="#top">top</a>
</body></html>`

const jsonPage = `{"meta": {"api-version": "1.3"}, "name": "acme-api", "versions": ["1.0"], "files": [
{"filename": "acme_api-1.0-py3-none-any.whl", "url": "x", "hashes": {}, "requires-python": ">=3.8,<4", "yanked": false},
{"filename": "acme_api-1.1+local.1-py3-none-any.whl", "url": "x", "hashes": {}, "requires-python": null, "yanked": true},
{"filename": "acme-api-1.2.tar.gz", "url": "x", "hashes": {}, "yanked": "\"bad\" & worse", "core-metadata": {"sha256": "1"}}]}`

func TestParsePage(t *testing.T) {
	want := []indexFile{
		{name: "acme_api-1.0-py3-none-any.whl", requiresPython: ">=3.8,<4"},
		{name: "acme_api-1.1+local.1-py3-none-any.whl", yanked: true},
		{name: "acme-api-1.2.tar.gz", yanked: true, reason: `"bad" & worse`},
	}
	for contentType, page := range map[string]string{
		"text/html; charset=utf-8": htmlPage, "application/vnd.pypi.simple.v1+html": htmlPage,
		"application/vnd.pypi.simple.v1+json": jsonPage, "application/json": jsonPage,
	} {
		if got, err := parsePage(contentType, []byte(page)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v (%v)", contentType, got, err)
		}
	}
	for name, c := range map[string]struct{ contentType, page string }{
		"a log-in form":       {"image/png", "x"},
		"no type":             {"", "x"},
		"broken JSON":         {"application/json", "{"},
		"a later API in JSON": {"application/json", `{"meta": {"api-version": "2.0"}}`},
		"a later API in HTML": {"text/html", `<meta name="pypi:repository-version" content="2.0">`},
	} {
		if got, err := parsePage(c.contentType, []byte(c.page)); err == nil {
			t.Errorf("%s was read: %+v", name, got)
		}
	}
}

func FuzzParsePage(f *testing.F) {
	f.Add("text/html", []byte(htmlPage))
	f.Add("application/json", []byte(jsonPage))
	f.Fuzz(func(t *testing.T, contentType string, page []byte) {
		files, err := parsePage(contentType, page)
		if err != nil && files != nil {
			t.Error("files and an error")
		}
		for _, offer := range (pipNode{source: true}).offers("acme-api", files) {
			if normal, err := (pip{}).Normalize(offer.Version); err != nil || normal != offer.Version {
				t.Errorf("version %q is not normal (%v)", offer.Version, err)
			}
		}
	})
}

func packed(text string) string {
	var buffer bytes.Buffer
	z := zlib.NewWriter(&buffer)
	z.Write([]byte(text))
	z.Close()
	return base64.StdEncoding.EncodeToString(buffer.Bytes())
}

func TestParseOffers(t *testing.T) {
	page := packed(htmlPage)
	facts := shell.Facts{{Key: "package", Value: "acme-api"}, {Key: "source", Value: "1"}, {Key: "python", Value: "3.11.2"},
		{Key: "page-type", Value: "text/html"}, {Key: "page", Value: page[:40]}, {Key: "page", Value: page[40:]},
		{Key: "page-type", Value: "application/json"}, {Key: "page", Value: packed(`{"files": [{"filename": "acme_api-1.2-1x-py3-none-any.whl"},
			{"filename": "acme_api-2.0-py3-none-any.whl", "requires-python": ">=3.99"}]}`)},
		{Key: "file", Value: "acme_api-1.3-py2.py3-none-any.whl"}, {Key: "file", Value: "acme_api-1.4-cp27-none-any.whl"}, {Key: "file", Value: "other-1.5-py3-none-any.whl"},
		{Key: "tags", Value: packed("cp311-cp311-linux_x86_64\npy3-none-any")}}
	o, err := pip{}.ParseOffers(facts)
	want := Offers{Package: "acme-api", Versions: []Offer{
		{Version: "1.0"}, {Version: "1.1+local.1", Yanked: true}, {Version: "1.2"}, {Version: "1.3"}},
		Refused: map[string]string{"2.0": "it requires Python >=3.99, and the node has 3.11.2"}}
	if err != nil || !reflect.DeepEqual(o, want) {
		t.Errorf("got %+v (%v), want %+v", o, err, want)
	}
	facts[5].Value = "AAAA"
	if _, err := (pip{}).ParseOffers(facts); err == nil {
		t.Error("a damaged page was read")
	}
}

func TestVersionOfAFile(t *testing.T) {
	n := pipNode{source: true}
	for file, want := range map[string]string{
		"acme_api-1.0-py3-none-any.whl": "1.0", "Acme.API-1.0-12-py3-none-any.whl": "1.0", "acme-api-1.0.tar.gz": "1.0", "acme-api-1.0-1.zip": "1.0.post1",
		"acme_api-1.0rc1.tar.bz2": "1.0rc1", "acme_api_extra-1.0.tar.gz": "", "acme-api-extra-1.0.tar.gz": "", "acme_api-1.0.exe": "", "acme_api-1.0.tar.gz.asc": "",
		"acme_api-1.0-x-py3-none-any.whl": "", "acme_api-1.0-py3-none.whl": "", "acme_api-odd-py3-none-any.whl": "", ".whl": "", "acme_api-1.0_1-py3-none-any.whl": "1.0.post1",
	} {
		version, ok := n.version("acme-api", file)
		if got := version.String(); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
	if _, ok := (pipNode{}).version("acme-api", "acme-api-1.0.tar.gz"); ok {
		t.Error("a source distribution counts though it is not allowed")
	}
}

func TestUnpackIsBounded(t *testing.T) {
	if _, err := unpack([]string{packed(strings.Repeat("0", pageLimit+1))}); err == nil {
		t.Error("a page of any length was taken")
	}
}
