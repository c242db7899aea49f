package bundle

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/release"
)

// Cache is a directory of bundles. Several runs may use one at the same time. Its methods may be called from several goroutines.
type Cache struct {
	dir string
	max int64

	mu sync.Mutex
	// inUse are the bundles of this run, by digest: they are not evicted, and their archives are checked once.
	inUse  map[string]*use
	deltas map[string]*delta
	temp   string
}

// use is the one check of an archive in a run.
type use struct {
	once sync.Once
	err  error
}

// Open opens the cache in dir, which is made when something is put there; max bounds the bytes of its archives. Close ends it.
func Open(dir string, max int64) *Cache {
	return &Cache{dir: dir, max: max, inUse: map[string]*use{}, deltas: map[string]*delta{}}
}

// Dir is where the cache is.
func (c *Cache) Dir() string { return c.dir }

// Close removes the temporary files of this run.
func (c *Cache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.temp == "" {
		return nil
	}
	return os.RemoveAll(c.temp)
}

// Temp returns a directory for this run's own files, on the file system of the cache.
func (c *Cache) Temp() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.temp != "" {
		return c.temp, nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return "", fmt.Errorf("making the cache of bundles: %w", err)
	}
	_ = c.removeStale() // else the cache would have no bound where deployers are killed
	temp, err := os.MkdirTemp(c.dir, tempPrefix)
	if err != nil {
		return "", fmt.Errorf("making room in the cache of bundles: %w", err)
	}
	c.temp = temp
	return temp, nil
}

const (
	tempPrefix  = ".run-"
	infoFile    = "info.json"
	manifestOf  = "manifest"
	archiveFile = "archive.tar.gz"
)

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// List returns all bundles, the last used first. What is no bundle is passed over.
func (c *Cache) List() ([]Info, error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the cache of bundles: %w", err)
	}
	var all []Info
	for _, entry := range entries {
		if !digestPattern.MatchString(entry.Name()) {
			continue
		}
		if info, err := c.read(entry.Name()); err == nil {
			all = append(all, info)
		}
	}
	slices.SortFunc(all, func(a, b Info) int { return cmp.Or(b.Used.Compare(a.Used), cmp.Compare(a.Digest(), b.Digest())) })
	return all, nil
}

func (c *Cache) read(digest string) (Info, error) {
	name := filepath.Join(c.dir, digest, infoFile)
	text, err := os.ReadFile(name)
	if err != nil {
		return Info{}, err
	}
	var info Info
	if err := json.Unmarshal(text, &info); err != nil {
		return Info{}, fmt.Errorf("reading %s: %w", name, err)
	}
	if info.Schema != schema || info.Digest() != digest {
		return Info{}, fmt.Errorf("reading %s: it is of another kind", name)
	}
	stat, err := os.Stat(name)
	if err != nil {
		return Info{}, err
	}
	info.Used = stat.ModTime()
	archive, err := os.Stat(filepath.Join(c.dir, digest, archiveFile))
	info.HasArchive = err == nil && archive.Size() == info.Packed
	return info, nil
}

// Find returns the bundles that fit, the last used first; those with an archive come before those without.
func (c *Cache) Find(fits func(Info) bool) []Info {
	all, err := c.List()
	if err != nil {
		return nil // no cache is an empty one: the bits come from elsewhere
	}
	found := slices.DeleteFunc(all, func(i Info) bool { return !fits(i) })
	slices.SortStableFunc(found, func(a, b Info) int {
		switch {
		case a.HasArchive == b.HasArchive:
			return 0
		case a.HasArchive:
			return -1
		}
		return 1
	})
	return found
}

// Manifest reads the manifest of a bundle. One that was changed is an error.
func (c *Cache) Manifest(digest string) (release.Manifest, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, digest, manifestOf))
	if err != nil {
		return release.Manifest{}, fmt.Errorf("reading the manifest of a bundle: %w", err)
	}
	m, err := release.ParseManifest(string(text))
	if err == nil && m.Digest() != digest {
		err = fmt.Errorf("the manifest of bundle %.8s was changed", digest)
	}
	return m, err
}

// Use marks a bundle as used by this run and checks its archive, once. An archive that is not what it was is removed.
func (c *Cache) Use(info Info) error {
	c.mu.Lock()
	u := c.inUse[info.Digest()]
	if u == nil {
		u = new(use)
		c.inUse[info.Digest()] = u
	}
	c.mu.Unlock()
	u.once.Do(func() { u.err = c.checkArchive(info) })
	if u.err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.inUse[info.Digest()] == u {
			delete(c.inUse, info.Digest())
		}
	}
	return u.err
}

func (c *Cache) checkArchive(info Info) error {
	dir := filepath.Join(c.dir, info.Digest())
	now := time.Now()
	_ = os.Chtimes(filepath.Join(dir, infoFile), now, now) // only the order of eviction hangs on it
	archive := filepath.Join(dir, archiveFile)
	sum, err := fileDigest(archive)
	if err != nil {
		return err
	}
	if sum != info.SHA256 {
		return errors.Join(fmt.Errorf("the archive of bundle %.8s was changed", info.Digest()), os.Remove(archive))
	}
	return nil
}

func fileDigest(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Archive opens the archive of a bundle.
func (c *Cache) Archive(info Info) (*os.File, error) {
	return os.Open(filepath.Join(c.dir, info.Digest(), archiveFile))
}

// put moves a checked archive into the cache. A bundle that is there already stays; its bits may be those of another kind of node, so the
// record that the caller gets is its own.
func (c *Cache) put(info Info, manifest release.Manifest, archive string) (Info, error) {
	info.Schema, info.Added = schema, time.Now().UTC()
	text, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return Info{}, err
	}
	temp, err := c.Temp()
	if err != nil {
		return Info{}, err
	}
	dir, err := os.MkdirTemp(temp, "put-")
	if err != nil {
		return Info{}, err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, manifestOf), []byte(manifest.Text()), 0o600),
		os.Rename(archive, filepath.Join(dir, archiveFile)),
		os.WriteFile(filepath.Join(dir, infoFile), text, 0o600),
	)
	if err != nil {
		return Info{}, fmt.Errorf("putting a bundle into the cache: %w", err)
	}
	checked := new(use)
	checked.once.Do(func() {})
	c.mu.Lock()
	c.inUse[info.Digest()] = checked
	c.mu.Unlock()
	final := filepath.Join(c.dir, info.Digest())
	if _, err := os.Stat(final); err == nil && !c.intact(info.Digest()) {
		_ = os.RemoveAll(final)
	}
	if err := os.Rename(dir, final); err != nil {
		if known, readErr := c.read(info.Digest()); readErr == nil && c.intact(info.Digest()) { // it was there, or another run was faster
			known.Record, known.Path, known.Lock, known.Date = info.Record, info.Path, info.Lock, info.Date
			return known, nil
		}
		return Info{}, fmt.Errorf("putting a bundle into the cache: %w", err)
	}
	c.evict(c.max)
	return c.read(info.Digest())
}

// intact tells whether all parts of a bundle are there.
func (c *Cache) intact(digest string) bool {
	info, err := c.read(digest)
	if err != nil || !info.HasArchive {
		return false
	}
	_, err = c.Manifest(digest)
	return err == nil
}
