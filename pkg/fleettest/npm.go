package fleettest

import (
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"
)

// NPMPackage is one version of a package of an npm registry.
type NPMPackage struct {
	// Name may have a scope, "@acme/api"; Version is a semantic version.
	Name, Version string
	// Dependencies and OptionalDependencies are names to ranges.
	Dependencies, OptionalDependencies map[string]string
	// Files are the files of the package: path to text.
	Files map[string]string
	// Bin are its commands: name to path.
	Bin map[string]string
	// Scripts are its lifecycle scripts, such as postinstall.
	Scripts map[string]string
	// OS are the platforms that it is for, such as "linux"; empty for all.
	OS []string
}

// Registry is an npm registry. Serve it with net/http. Its methods may be called from several goroutines; its fields may not change
// while it serves.
type Registry struct {
	// Token demands this bearer token if it is set.
	Token string

	mu       sync.Mutex
	requests int
	projects map[string]*npmProject
}

type npmProject struct {
	tags     map[string]string
	versions map[string]npmVersion
}

type npmVersion struct {
	manifest map[string]any
	tarball  []byte
}

// NewRegistry returns a registry that offers pkgs. The dist-tag "latest" is on the highest version that is not a prerelease.
func NewRegistry(pkgs ...NPMPackage) (*Registry, error) {
	registry := &Registry{projects: map[string]*npmProject{}}
	for _, p := range pkgs {
		if err := registry.Add(p); err != nil {
			return nil, err
		}
	}
	return registry, nil
}

// Add offers one more version, in the place of the same version if there was one.
func (r *Registry) Add(p NPMPackage) error {
	version, err := semver.StrictNewVersion(p.Version)
	if err != nil {
		return fmt.Errorf("package %s@%s: %w", p.Name, p.Version, err)
	}
	manifest := p.manifest()
	content, err := p.tarball(manifest)
	if err != nil {
		return fmt.Errorf("package %s@%s: %w", p.Name, p.Version, err)
	}
	sum := sha512.Sum512(content)
	old := sha1.Sum(content)
	manifest["dist"] = map[string]any{
		"integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:]),
		"shasum":    hex.EncodeToString(old[:]),
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	project := r.projects[p.Name]
	if project == nil {
		project = &npmProject{tags: map[string]string{}, versions: map[string]npmVersion{}}
		r.projects[p.Name] = project
	}
	project.versions[p.Version] = npmVersion{manifest, content}
	if latest, err := semver.NewVersion(project.tags["latest"]); err != nil || version.Prerelease() == "" && version.GreaterThan(latest) {
		project.tags["latest"] = p.Version
	}
	return nil
}

// Tag puts a dist-tag on a version.
func (r *Registry) Tag(name, tag, version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.projects[name].tags[tag] = version
}

// Remove withdraws every version of one package.
func (r *Registry) Remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.projects, name)
}

// Requests returns how many requests came in so far, refused ones included.
func (r *Registry) Requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

// ServeHTTP answers one request: /NAME for what there is of a package, /NAME/-/FILE.tgz for one version's files.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	if r.Token != "" && req.Header.Get("Authorization") != "Bearer "+r.Token {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "log in first"})
		return
	}
	name, file, isFile := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/-/")
	project := r.projects[name]
	switch {
	case project == nil:
		reply(w, http.StatusNotFound, map[string]any{"error": "Not found"})
	case !isFile:
		reply(w, http.StatusOK, project.packument(name, "http://"+req.Host))
	default:
		version := strings.TrimSuffix(strings.TrimPrefix(file, path.Base(name)+"-"), ".tgz")
		found, ok := project.versions[version]
		if !ok {
			http.NotFound(w, req)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(found.tarball)
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// packument is npm's word for the document that lists all versions of a package.
func (p *npmProject) packument(name, base string) map[string]any {
	versions := map[string]any{}
	for version, v := range p.versions {
		manifest := maps.Clone(v.manifest)
		dist := maps.Clone(manifest["dist"].(map[string]any))
		dist["tarball"] = fmt.Sprintf("%s/%s/-/%s-%s.tgz", base, name, path.Base(name), url.PathEscape(version))
		manifest["dist"] = dist
		versions[version] = manifest
	}
	return map[string]any{"_id": name, "name": name, "dist-tags": p.tags, "versions": versions}
}

func (p NPMPackage) manifest() map[string]any {
	manifest := map[string]any{"name": p.Name, "version": p.Version}
	for key, value := range map[string]map[string]string{
		"dependencies": p.Dependencies, "optionalDependencies": p.OptionalDependencies, "bin": p.Bin, "scripts": p.Scripts,
	} {
		if len(value) > 0 {
			manifest[key] = value
		}
	}
	if len(p.OS) > 0 {
		manifest["os"] = p.OS
	}
	for _, script := range []string{"preinstall", "install", "postinstall"} {
		if p.Scripts[script] != "" {
			manifest["hasInstallScript"] = true
		}
	}
	return manifest
}

// Build returns the name and the content of the file that npm pack would make.
func (p NPMPackage) Build() (filename string, content []byte, err error) {
	content, err = p.tarball(p.manifest())
	return strings.ReplaceAll(strings.TrimPrefix(p.Name, "@"), "/", "-") + "-" + p.Version + ".tgz", content, err
}

func (p NPMPackage) tarball(manifest map[string]any) ([]byte, error) {
	text, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, err
	}
	files := map[string]string{"package/package.json": string(text)}
	for name, content := range p.Files {
		files["package/"+name] = content
	}
	return tarball(files)
}
