package health

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/config"
)

func once(t *testing.T, n Node, check config.Check, want Want) Answer {
	t.Helper()
	return Once(t.Context(), n, []config.Check{check}, want)[0]
}

func TestExpect(t *testing.T) {
	const document = `{"status": "ok", "app": {"version": "1.1.0", "build": 1.10, "list": [{"v": "1.2.0"}], "none": null}, "flag": true}`
	same := func(a, b string) bool { return strings.TrimSuffix(a, ".0") == strings.TrimSuffix(b, ".0") }
	for name, c := range map[string]struct {
		status   int
		body     string
		expect   config.Expect
		want     Want
		ok       bool
		contains string
	}{
		"any success":           {status: 204, ok: true, contains: "answered 204 No Content"},
		"a redirect is answer":  {status: 302, contains: "answered 302 Found, want 200 to 299"},
		"a wanted redirect":     {status: 302, expect: config.Expect{Status: 302}, ok: true},
		"another status":        {status: 200, expect: config.Expect{Status: 204}, contains: "answered 200 OK, want 204"},
		"part of the body":      {status: 200, body: "all ok\n", expect: config.Expect{Body: "ok"}, ok: true},
		"not in the body":       {status: 200, body: "starting", expect: config.Expect{Body: "ok"}, contains: `want "ok" in the body`},
		"version":               {status: 200, body: document, expect: config.Expect{Version: "json:app.version"}, want: Want{Version: "1.1.0"}, ok: true},
		"another version":       {status: 200, body: document, expect: config.Expect{Version: "json:app.version"}, want: Want{Version: "1.2.0"}, contains: "answered version 1.1.0, want 1.2.0"},
		"the same version":      {status: 200, body: document, expect: config.Expect{Version: "json:app.version"}, want: Want{Version: "1.1", Same: same}, ok: true},
		"number":                {status: 200, body: document, expect: config.Expect{Version: "json:app.build"}, want: Want{Version: "1.10"}, ok: true},
		"element":               {status: 200, body: document, expect: config.Expect{Version: "json:app.list.0.v"}, want: Want{Version: "1.2.0"}, ok: true},
		"outside the array":     {status: 200, body: document, expect: config.Expect{Version: "json:app.list.1.v"}, want: Want{Version: "1"}, contains: `there is no "1"`},
		"no such field":         {status: 200, body: document, expect: config.Expect{Version: "json:app.vers"}, want: Want{Version: "1"}, contains: `want version 1 at json:app.vers: there is no "vers"`},
		"object":                {status: 200, body: document, expect: config.Expect{Version: "json:app"}, want: Want{Version: "1"}, contains: "an object or array is there"},
		"null":                  {status: 200, body: document, expect: config.Expect{Version: "json:app.none"}, want: Want{Version: "1"}, contains: "null is there"},
		"true":                  {status: 200, body: document, expect: config.Expect{Version: "json:flag"}, want: Want{Version: "true"}, ok: true},
		"no JSON":               {status: 200, body: "<html>", expect: config.Expect{Version: "json:version"}, want: Want{Version: "1"}, contains: "the body is no JSON"},
		"more than JSON":        {status: 200, body: document + "}", expect: config.Expect{Version: "json:app.version"}, want: Want{Version: "1.1.0"}, contains: "goes on after its JSON"},
		"header":                {status: 200, expect: config.Expect{Version: "header:X-Version"}, want: Want{Version: "1.1.0"}, ok: true},
		"no header":             {status: 200, expect: config.Expect{Version: "header:X-Other"}, want: Want{Version: "1.1.0"}, contains: "nothing is there"},
		"whole body":            {status: 200, body: " 1.1.0\n", expect: config.Expect{Version: "body"}, want: Want{Version: "1.1.0"}, ok: true},
		"nothing to compare":    {status: 200, body: "<html>", expect: config.Expect{Version: "json:version"}, ok: true},
		"a hostile version":     {status: 200, body: "1.0\x1b]0;x\x07\u202e" + strings.Repeat("9", 500), expect: config.Expect{Version: "body"}, want: Want{Version: "1"}, contains: "answered version 1.0 ]0;x 99"},
		"status before version": {status: 500, body: document, expect: config.Expect{Version: "json:app.version"}, want: Want{Version: "9"}, contains: "answered 500"},
	} {
		t.Run(name, func(t *testing.T) {
			n := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Version", "1.1.0")
				w.Header().Set("Location", "http://elsewhere.invalid/")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			answer := once(t, n, httpCheck(c.expect), c.want)
			if answer.OK != c.ok || !strings.Contains(answer.Text, c.contains) || len(answer.Text) > maxText || len(answer.Body) > maxBody {
				t.Errorf("%+v, want %v %q", answer, c.ok, c.contains)
			}
			if len(n.dials) != 1 {
				t.Errorf("dialled %v", n.dials)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	n := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		fmt.Fprint(w, r.Method, " ", r.Host, r.RequestURI, " ", user, password, " ", r.Header.Get("X-Probe"), " ", r.Header.Get("User-Agent"))
	})
	check := config.Check{Kind: "http", Target: "http://joe:s3cret@localhost/health?deep=1", Headers: map[string]string{"host": "api.example", "x-probe": "1"}}
	if answer := once(t, n, check, Want{}); answer.Body != "GET api.example/health?deep=1 joes3cret 1 rollpin" || n.dials[0] != "tcp localhost:80" {
		t.Errorf("%+v by %v", answer, n.dials)
	}
	n.dial = func(context.Context, string) (net.Conn, error) {
		near, far := net.Pipe()
		_ = far.Close()
		return near, nil
	}
	answer := once(t, n, check, Want{})
	if text := answer.Text + label(check); answer.OK || strings.Contains(text, "s3cret") || !strings.HasPrefix(text, "no answer: ") || strings.Count(text, "localhost") != 1 {
		t.Errorf("a password is shown, or the URL twice: %s", text)
	}
}

func TestLongAnswersAreCut(t *testing.T) {
	n := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		line := strings.Repeat("é", 1000)
		for { // until the reader goes away
			if _, err := io.WriteString(w, line); err != nil {
				return
			}
		}
	})
	answer := once(t, n, httpCheck(config.Expect{}), Want{})
	if !answer.OK || len(answer.Body) > maxBody || !strings.HasSuffix(answer.Body, "é…") {
		t.Errorf("%v, %d bytes, %q", answer.OK, len(answer.Body), answer.Body[max(0, len(answer.Body)-9):])
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	n := &fakeNode{dial: func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}}
	// httptest's certificate is for example.com and 127.0.0.1.
	for name, c := range map[string]struct {
		check config.Check
		text  string
	}{
		"unknown authority": {config.Check{Target: "https://127.0.0.1/"}, "signed by unknown authority"},
		"insecure":          {config.Check{Target: "https://127.0.0.1/", Insecure: true}, "answered 200 OK"},
		"own authority":     {config.Check{Target: "https://127.0.0.1/", CAFile: ca}, "answered 200 OK"},
		"another name":      {config.Check{Target: "https://localhost/", CAFile: ca}, "not localhost"},
		"name given":        {config.Check{Target: "https://localhost/", CAFile: ca, ServerName: "example.com"}, "answered 200 OK"},
		"plain by mistake":  {config.Check{Target: "http://127.0.0.1/"}, "answered 400"},
	} {
		c.check.Kind = "http"
		answer := once(t, n, c.check, Want{})
		if !strings.Contains(answer.Text, c.text) || answer.OK != (c.text == "answered 200 OK") {
			t.Errorf("%s: %+v", name, answer)
		}
	}
	if !slices.Contains(n.dials, "tcp localhost:443") {
		t.Errorf("dialled %v", n.dials)
	}
}

func TestValidate(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, check := range map[string]config.Check{
		"want a URL with http":          {Kind: "http", Target: "ftp://x/"},
		"the URL has no host":           {Kind: "http", Target: "http:///healthz"},
		"it is no URL":                  {Kind: "http", Target: "http://u:s3cret@[x/"},
		"want json:FIELD.SUBFIELD":      {Kind: "http", Target: "http://x/", Expect: config.Expect{Version: "json:"}},
		"version \"xml:a\"":             {Kind: "http", Target: "http://x/", Expect: config.Expect{Version: "xml:a"}},
		"reading ca_file":               {Kind: "http", Target: "https://x/", CAFile: "/nowhere.pem"},
		"holds no certificate":          {Kind: "http", Target: "https://x/", CAFile: empty},
		"want HOST:PORT":                {Kind: "tcp", Target: "localhost"},
		"with a port from 1 to 65535":   {Kind: "tcp", Target: "localhost:70000"},
		"tcp :80: want HOST:PORT":       {Kind: "tcp", Target: ":80"},
		"unknown kind \"udp\", want ht": {Kind: "udp", Target: "x"},
	} {
		err := Validate([]config.Check{{Kind: "command", Target: "true"}, check})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want %q", err, want)
		}
		if waited := Wait(t.Context(), nil, usual(check), Want{}); waited == nil || waited.Error() != err.Error() {
			t.Errorf("Wait says %v", waited)
		}
	}
	if err := Validate([]config.Check{{Kind: "tcp", Target: "[::1]:80"}, {Kind: "systemd", Target: "x"}, {Kind: "http", Target: "https://[::1]/"}}); err != nil {
		t.Error(err)
	}
}

func TestTCP(t *testing.T) {
	n := serve(t, nil)
	check := config.Check{Kind: "tcp", Target: "127.0.0.1:5432"}
	if answer := once(t, n, check, Want{}); !answer.OK || answer.Text != "accepts connections" || n.dials[0] != "tcp 127.0.0.1:5432" {
		t.Errorf("%+v", answer)
	}
	n.dial = func(context.Context, string) (net.Conn, error) { return nil, errRefused }
	if answer := once(t, n, check, Want{}); answer.OK || answer.Err != nil || answer.Text != "no connection: n1: connecting to 127.0.0.1:8080: Connection refused" {
		t.Errorf("%+v", answer)
	}
}

func FuzzPlace(f *testing.F) {
	for _, seed := range [][2]string{{"json:a.b", `{"a": {"b": "1.0"}}`}, {"json:0", `["1"]`}, {"header:X", ""}, {"body", "1\x00"}, {"json:a..b", "{}"}, {"json:-1", "[1e999]"}} {
		f.Add(seed[0], []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, text string, body []byte) {
		where, err := parsePlace(text)
		if err != nil || text == "" {
			return
		}
		if version, err := where.find(http.Header{}, body); (err == nil) == (version == "") {
			t.Errorf("%q in %q: %q, %v", text, body, version, err)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31mb\u202e\u0085\xff\n", 5)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 3 + abs(limit)%1000
		got := clean(text, limit)
		if len(got) > limit || strings.ContainsAny(got, "\x00\x1b\n\r\u0085\u202e\u2028") || clean(got, limit) != got {
			t.Errorf("%q became %q", text, got)
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}
