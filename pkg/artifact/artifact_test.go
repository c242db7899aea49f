package artifact

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The SHA-256 of "hello".
const hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Ref{
		"dist/site.tar.gz":                       {File: "dist/site.tar.gz"},
		`C:\dist\site.zip`:                       {File: `C:\dist\site.zip`},
		"a#b.zip":                                {File: "a#b.zip"},
		"a.zip#sha256=" + strings.ToUpper(hello): {File: "a.zip", SHA256: hello},
		"https://h/a.zip?x=1#sha256=" + hello:    {URL: "https://h/a.zip?x=1", SHA256: hello},
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "#sha256=" + hello, "a.zip#sha256=", "a.zip#sha256=12", "https://h/a.zip", "https://h/a.zip#md5=12", "ftp://h/a#sha256=" + hello,
		"https:///a#sha256=" + hello, "https://me:secret@h/a#sha256=" + hello,
	} {
		_, err := Parse(text)
		if refused, ok := errors.AsType[*Error](err); !ok || refused.Hint() == "" || strings.Contains(refused.Error()+refused.Hint(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a%20b/site.tar.gz", "/a b/site.tar.gz":
			w.Header().Set("Content-Encoding", "gzip") // as servers say that take a tar.gz for a compressed tar
			w.Write([]byte("hello"))
		case "/cut":
			w.Header().Set("Content-Length", "10")
			w.Write([]byte("hello"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	got, err := Get(t.Context(), Ref{URL: server.URL + "/a%20b/site.tar.gz", SHA256: hello}, dir)
	if text, _ := os.ReadFile(got.Path); err != nil || got.Name != "site.tar.gz" || got.Size != 5 || got.SHA256 != hello || string(text) != "hello" {
		t.Errorf("%+v %v", got, err)
	}
	for path, usage := range map[string]bool{"/none": false, "/cut": false, "/a%20b/site.tar.gz": true} {
		_, err := Get(t.Context(), Ref{URL: server.URL + path, SHA256: strings.Repeat("0", 64)}, dir)
		if _, ok := errors.AsType[*Error](err); err == nil || ok != usage {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, ref := range []Ref{{File: filepath.Join(dir, "none")}, {File: dir}, {File: got.Path, SHA256: strings.Repeat("0", 64)}} {
		_, err := Get(t.Context(), ref, dir)
		if _, ok := errors.AsType[*Error](err); !ok {
			t.Errorf("%+v: %v", ref, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	for _, ref := range []Ref{{File: got.Path}, {URL: server.URL + "/cut", SHA256: hello}} {
		if _, err := Get(ctx, ref, dir); !errors.Is(err, stop) {
			t.Errorf("%+v: %v", ref, err)
		}
	}
}
