package fleettest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Index is a Python package index: project pages at /simple/NAME/ in HTML (PEP 503) and JSON (PEP 691), and the files that they name.
// Serve it with net/http. Its methods may be called from several goroutines; its fields may not change while it serves.
type Index struct {
	// User and Password demand basic authentication if either is set.
	User, Password string
	// Plain answers as old indexes do: HTML without hashes, whatever the client accepts.
	Plain bool

	mu       sync.Mutex
	requests int
	projects map[string][]indexFile
}

type indexFile struct {
	name, yanked, requiresPython string
	content                      []byte
}

func (f indexFile) sha256() string {
	sum := sha256.Sum256(f.content)
	return hex.EncodeToString(sum[:])
}

// NewIndex returns an index that offers wheels.
func NewIndex(wheels ...Wheel) (*Index, error) {
	index := &Index{projects: map[string][]indexFile{}}
	for _, w := range wheels {
		if err := index.Add(w); err != nil {
			return nil, err
		}
	}
	return index, nil
}

// Add offers one more file. It takes the place of a file of the same name.
func (i *Index) Add(w Wheel) error {
	name, content, err := w.Build()
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	project := normalName(w.Name)
	files := slices.DeleteFunc(i.projects[project], func(f indexFile) bool { return f.name == name })
	i.projects[project] = append(files, indexFile{name, w.Yanked, w.RequiresPython, content})
	return nil
}

// Remove withdraws every file of one project.
func (i *Index) Remove(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.projects, normalName(name))
}

// Requests returns how many requests came in so far, refused ones included.
func (i *Index) Requests() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests
}

// ServeHTTP answers one request.
func (i *Index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.requests++
	if user, password, _ := r.BasicAuth(); user != i.User || password != i.Password {
		w.Header().Set("WWW-Authenticate", `Basic realm="index"`)
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	switch dir, name := path.Split(strings.TrimSuffix(r.URL.Path, "/")); dir {
	case "/simple/":
		i.servePage(w, r, name)
	case "/files/":
		i.serveFile(w, r, name)
	default:
		http.NotFound(w, r)
	}
}

func (i *Index) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	for _, files := range i.projects {
		for _, f := range files {
			if f.name == name {
				w.Header().Set("Content-Type", "application/octet-stream")
				w.Write(f.content)
				return
			}
		}
	}
	http.NotFound(w, r)
}

func (i *Index) servePage(w http.ResponseWriter, r *http.Request, name string) {
	files, ok := i.projects[name]
	switch {
	case !ok:
		http.NotFound(w, r)
	case !strings.HasSuffix(r.URL.Path, "/"):
		http.Redirect(w, r, name+"/", http.StatusMovedPermanently)
	case !i.Plain && strings.Contains(r.Header.Get("Accept"), "application/vnd.pypi.simple.v1+json"):
		w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
		json.NewEncoder(w).Encode(jsonPage(name, files))
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, i.htmlPage(name, files))
	}
}

func jsonPage(name string, files []indexFile) map[string]any {
	list := []map[string]any{}
	for _, f := range files {
		file := map[string]any{"filename": f.name, "url": "../../files/" + f.name, "hashes": map[string]string{"sha256": f.sha256()}}
		if f.yanked != "" {
			file["yanked"] = f.yanked
		}
		if f.requiresPython != "" {
			file["requires-python"] = f.requiresPython
		}
		list = append(list, file)
	}
	return map[string]any{"meta": map[string]string{"api-version": "1.0"}, "name": name, "files": list}
}

func (i *Index) htmlPage(name string, files []indexFile) string {
	var page strings.Builder
	fmt.Fprintf(&page, "<!DOCTYPE html>\n<html><head><title>%s</title></head><body>\n", html.EscapeString(name))
	for _, f := range files {
		href := "../../files/" + f.name
		if !i.Plain {
			href += "#sha256=" + f.sha256()
		}
		fmt.Fprintf(&page, `<a href="%s"`, html.EscapeString(href))
		if f.yanked != "" {
			fmt.Fprintf(&page, ` data-yanked="%s"`, html.EscapeString(f.yanked))
		}
		if f.requiresPython != "" {
			fmt.Fprintf(&page, ` data-requires-python="%s"`, html.EscapeString(f.requiresPython))
		}
		fmt.Fprintf(&page, ">%s</a><br>\n", html.EscapeString(f.name))
	}
	page.WriteString("</body></html>\n")
	return page.String()
}

var separators = regexp.MustCompile(`[-_.]+`)

// normalName is a project's name in the form of PEP 503.
func normalName(name string) string { return strings.ToLower(separators.ReplaceAllString(name, "-")) }
