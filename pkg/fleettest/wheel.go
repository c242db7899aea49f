package fleettest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Wheel is one file of a Python package index.
type Wheel struct {
	Name, Version string
	// Requires are the dependencies, such as "acme-lib>=1.0" (PEP 508).
	Requires []string
	// Files are the files in the wheel: path to text.
	Files map[string]string
	// Scripts are the console_scripts: command to module:function.
	Scripts map[string]string
	// Yanked is the reason why the file was yanked (PEP 592); empty if it was not.
	Yanked string
	// RequiresPython limits the interpreters, such as ">=3.9".
	RequiresPython string
	// Tag is the wheel's compatibility tag; py3-none-any by default.
	Tag string
	// Source makes it a source distribution. It builds without a network and without setuptools.
	Source bool
}

// Build returns the file's name and content. Equal wheels give equal bytes.
func (w Wheel) Build() (filename string, content []byte, err error) {
	if w.Source {
		return w.buildSource()
	}
	filename = fmt.Sprintf("%s-%s.whl", w.stem(), w.tag())
	content, err = w.zip()
	if err != nil {
		return "", nil, fmt.Errorf("building %s: %w", filename, err)
	}
	return filename, content, nil
}

func (w Wheel) stem() string {
	return strings.ReplaceAll(normalName(w.Name), "-", "_") + "-" + w.Version
}

func (w Wheel) tag() string { return cmp.Or(w.Tag, "py3-none-any") }

func (w Wheel) zip() ([]byte, error) {
	files := maps.Clone(w.Files)
	if files == nil {
		files = map[string]string{}
	}
	info := w.stem() + ".dist-info/"
	files[info+"METADATA"] = w.metadata()
	files[info+"WHEEL"] = "Wheel-Version: 1.0\nGenerator: fleettest\nRoot-Is-Purelib: true\nTag: " + w.tag() + "\n"
	if len(w.Scripts) > 0 {
		files[info+"entry_points.txt"] = w.entryPoints()
	}
	files[info+"RECORD"] = record(files, info+"RECORD")

	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		header.SetMode(0o644)
		f, err := z.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := f.Write([]byte(files[name])); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}

func (w Wheel) metadata() string {
	var text strings.Builder
	fmt.Fprintf(&text, "Metadata-Version: 2.1\nName: %s\nVersion: %s\n", w.Name, w.Version)
	for _, r := range w.Requires {
		fmt.Fprintf(&text, "Requires-Dist: %s\n", r)
	}
	if w.RequiresPython != "" {
		fmt.Fprintf(&text, "Requires-Python: %s\n", w.RequiresPython)
	}
	return text.String()
}

func (w Wheel) entryPoints() string {
	text := "[console_scripts]\n"
	for _, name := range slices.Sorted(maps.Keys(w.Scripts)) {
		text += name + " = " + w.Scripts[name] + "\n"
	}
	return text
}

func record(files map[string]string, self string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256([]byte(files[name]))
		fmt.Fprintf(&text, "%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(files[name]))
	}
	return text.String() + self + ",,\n"
}

// backend is a build backend (PEP 517) that "builds" by handing out the wheel that lies in the source distribution.
const backend = `import glob, os, shutil
def build_wheel(directory, config_settings=None, metadata_directory=None):
    (wheel,) = glob.glob("*.whl")
    shutil.copy(wheel, directory)
    return os.path.basename(wheel)
`

func (w Wheel) buildSource() (string, []byte, error) {
	stem := w.stem()
	binary := w
	binary.Source = false
	wheelName, wheel, err := binary.Build()
	if err != nil {
		return "", nil, err
	}
	content, err := tarball(map[string]string{
		stem + "/PKG-INFO":       w.metadata(),
		stem + "/pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
		stem + "/backend.py":     backend,
		stem + "/" + wheelName:   string(wheel),
	})
	if err != nil {
		return "", nil, fmt.Errorf("building %s.tar.gz: %w", stem, err)
	}
	return stem + ".tar.gz", content, nil
}

// tarball packs files, path to text, in the order of their paths.
func tarball(files map[string]string) ([]byte, error) {
	var archive bytes.Buffer
	z := gzip.NewWriter(&archive)
	t := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Name: name, Size: int64(len(files[name])), Mode: 0o755}
		if err := t.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := t.Write([]byte(files[name])); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}
