package pkgmgr

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"path"
	"strings"

	"golang.org/x/net/html"

	"github.com/rollpin/rollpin/pkg/shell"
)

// indexFile is one file of a project's page.
type indexFile struct {
	name           string
	requiresPython string
	yanked         bool
	reason         string
}

// ParseOffers reads the pages that the node fetched, and keeps the versions that have a file for this node: a wheel with a tag that
// its pip accepts, or a source distribution where that is allowed, and in both cases for the node's Python.
func (pip) ParseOffers(facts shell.Facts) (Offers, error) {
	files, err := offeredFiles(facts)
	if err != nil {
		return Offers{}, err
	}
	tags, err := unpack(facts.All("tags"))
	if err != nil {
		return Offers{}, fmt.Errorf("reading the node's wheel tags: %w", err)
	}
	python, _ := parsePEP440(facts.Get("python"))
	n := pipNode{python: python, source: facts.Get("source") == "1"}
	if len(tags) > 0 {
		n.tags = map[string]bool{}
		for tag := range strings.FieldsSeq(string(tags)) {
			n.tags[tag] = true
		}
	}
	name := facts.Get("package")
	return Offers{Package: name, Versions: n.offers(name, files), Refused: n.refused(name, files)}, nil
}

// offeredFiles collects "page-type TYPE" followed by "page …" for each page, and "file NAME" for files of a find-links folder.
func offeredFiles(facts shell.Facts) ([]indexFile, error) {
	var files []indexFile
	for i, fact := range facts {
		switch fact.Key {
		case "file":
			files = append(files, indexFile{name: fact.Value})
		case "page-type":
			var lines []string
			for _, next := range facts[i+1:] {
				if next.Key != "page" {
					break
				}
				lines = append(lines, next.Value)
			}
			text, err := unpack(lines)
			if err != nil {
				return nil, fmt.Errorf("receiving the index's page: %w", err)
			}
			page, err := parsePage(fact.Value, text)
			if err != nil {
				return nil, fmt.Errorf("reading the index's page: %w", err)
			}
			files = append(files, page...)
		}
	}
	return files, nil
}

// pageLimit bounds a page after decompression, in bytes. The longest pages of PyPI have about 20 MB.
const pageLimit = 64 << 20

// unpack undoes what the node did for the way: zlib, then base64, then lines.
func unpack(lines []string) ([]byte, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(lines, ""))
	if err != nil {
		return nil, err
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, pageLimit+1))
	if err != nil {
		return nil, err
	}
	if len(text) > pageLimit {
		return nil, fmt.Errorf("it is longer than %d bytes", pageLimit)
	}
	return text, nil
}

// parsePage reads a project's page by its media type: PEP 691 JSON or PEP 503 HTML.
func parsePage(contentType string, page []byte) ([]indexFile, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, fmt.Errorf("content type %q: %w", contentType, err)
	}
	switch media {
	case "application/vnd.pypi.simple.v1+json", "application/json":
		return parseJSONPage(page)
	case "application/vnd.pypi.simple.v1+html", "text/html", "application/xhtml+xml":
		return parseHTMLPage(page)
	}
	return nil, fmt.Errorf("it is %s, not a page of a package index", media)
}

// parseJSONPage reads PEP 691.
func parseJSONPage(page []byte) ([]indexFile, error) {
	var project struct {
		Meta struct {
			APIVersion string `json:"api-version"`
		} `json:"meta"`
		Files []struct {
			Filename       string `json:"filename"`
			RequiresPython string `json:"requires-python"`
			// Yanked is true, false, or a reason (PEP 592).
			Yanked any `json:"yanked"`
		} `json:"files"`
	}
	if err := json.Unmarshal(page, &project); err != nil {
		return nil, err
	}
	if err := checkAPIVersion(project.Meta.APIVersion); err != nil {
		return nil, err
	}
	var files []indexFile
	for _, f := range project.Files {
		reason, _ := f.Yanked.(string)
		yanked, _ := f.Yanked.(bool)
		files = append(files, indexFile{f.Filename, f.RequiresPython, yanked || reason != "", reason})
	}
	return files, nil
}

// checkAPIVersion refuses answers of a later major version, as PEP 629 asks.
func checkAPIVersion(version string) error {
	if major, _, _ := strings.Cut(version, "."); major != "" && major != "1" {
		return fmt.Errorf("the index speaks version %s of the simple API, and only 1.x is known", version)
	}
	return nil
}

// parseHTMLPage reads PEP 503: each anchor is a file, whose name is the last part of its URL.
func parseHTMLPage(page []byte) ([]indexFile, error) {
	var files []indexFile
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) {
				return nil, err
			}
			return files, nil
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			switch token.Data {
			case "a":
				if f, ok := anchorFile(token); ok {
					files = append(files, f)
				}
			case "meta":
				if name, _ := attribute(token, "name"); name == "pypi:repository-version" {
					version, _ := attribute(token, "content")
					if err := checkAPIVersion(version); err != nil {
						return nil, err
					}
				}
			}
		}
	}
}

func anchorFile(anchor html.Token) (indexFile, bool) {
	href, _ := attribute(anchor, "href")
	address, err := url.Parse(strings.TrimSpace(href))
	if err != nil || address.Path == "" {
		return indexFile{}, false
	}
	f := indexFile{name: path.Base(address.Path)}
	f.requiresPython, _ = attribute(anchor, "data-requires-python")
	f.reason, f.yanked = attribute(anchor, "data-yanked")
	return f, true
}

func attribute(token html.Token, key string) (string, bool) {
	for _, a := range token.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}
