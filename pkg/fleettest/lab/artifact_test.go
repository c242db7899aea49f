package lab

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/fleettest"
)

const apiServer = `
import http.server, importlib.metadata, json, os
import click

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "ok", "version": importlib.metadata.version("acme-api")}).encode())

def main():
    http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
`

const webServer = `#!/usr/bin/env node
require('express')
const { version } = require('./package.json')
require('http').createServer((_, answer) => answer.end(JSON.stringify({ status: 'ok', version }))).listen(process.env.PORT)
`

// Files that no index has, on real nodes with sudo: a wheel and a tarball of npm whose dependencies come from the index, and an archive.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 2)
	both := func(version string) string { return version + " " + version }
	config := DefaultConfig + "  site: {role: api, manager: archive, path: /srv/site, restart: none, strategy: *strategy}\n"
	site := l.Site(t, config, nodes)

	wheel, content, err := fleettest.Wheel{
		Name: "acme-api", Version: "9.0.0", Requires: []string{"click>=8.0"}, Scripts: map[string]string{"acme-api": "acme_api.server:main"},
		Files: map[string]string{"acme_api/__init__.py": "", "acme_api/server.py": apiServer},
	}.Build()
	if err != nil {
		t.Fatal(err)
	}
	write(t, site.Dir, wheel, string(content))
	site.Run(t, "deploy", "api==1.0.0", "-e", "production").Expect(t, 0)
	site.Run(t, "deploy", "api", "-e", "production", "--artifact", wheel).Expect(t, 0, "api 9.0.0 on production: done")
	ExpectTruth(t, "api", nodes, both("9.0.0"))
	site.Run(t, "rollback", "api", "-e", "production").Expect(t, 0)
	site.Run(t, "deploy", "api==9.0.0", "-e", "production").Expect(t, 0, "the index does not have it")
	ExpectTruth(t, "api", nodes, both("9.0.0"))

	tarball, content, err := fleettest.NPMPackage{
		Name: "acme-web", Version: "9.0.0", Dependencies: map[string]string{"express": ">=4"},
		Bin: map[string]string{"acme-web": "server.js"}, Files: map[string]string{"server.js": webServer},
	}.Build()
	if err != nil {
		t.Fatal(err)
	}
	write(t, site.Dir, tarball, string(content))
	site.Run(t, "deploy", "web", "-e", "production", "--artifact", tarball).Expect(t, 0, "web 9.0.0 on production: done")
	ExpectTruth(t, "web", nodes, both("9.0.0"))

	write(t, site.Dir, "site.tar.gz", smallSite(t))
	site.Run(t, "deploy", "site==1", "-e", "production", "--artifact", "site.tar.gz").Expect(t, 0, "site 1 on production: done")
	for _, n := range nodes {
		const want = "644 root 1583323200 755\nhello"
		if got := n.Must(t, "cd /srv/site/current && stat -c '%a %U %Y' index.html | tr '\\n' ' ' && stat -c %a bin/run && cat home"); got != want {
			t.Errorf("%s has %q, want %q", n.Name, got, want)
		}
		if left := n.Must(t, "find /tmp /srv/*/.rollpin -name 'rollpin-*' -o -name 'tmp.*' -o -name '*.whl' -o -name '*.tgz'"); left != "" {
			t.Errorf("%s: something was left:\n%s", n.Name, left)
		}
	}
}

// smallSite is a page, a link to it and a program; their owner and their modes are of no use to the nodes.
func smallSite(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	date := time.Date(2020, 3, 4, 12, 0, 0, 0, time.UTC)
	for _, header := range []tar.Header{
		{Name: "index.html", Typeflag: tar.TypeReg, Mode: 0o660, Size: 5, Uid: 4711, Uname: "me", ModTime: date},
		{Name: "home", Typeflag: tar.TypeSymlink, Linkname: "index.html", ModTime: date},
		{Name: "bin/run", Typeflag: tar.TypeReg, Mode: 0o4770, Size: 5, ModTime: date},
	} {
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte("hello")[:header.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
