package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// staleRun is how old the files of a run must be to be those of a dead one.
const staleRun = 24 * time.Hour

// Prune removes archives, the longest unused first, until those that stay have at most max bytes, and what dead runs left. Locks and
// manifests stay: they are small, and a release can be made from its lock again. With all, every bundle goes that this run does not use,
// with its lock. It returns what it removed.
func (c *Cache) Prune(max int64, all bool) ([]Info, error) {
	if err := c.removeStale(); err != nil {
		return nil, fmt.Errorf("pruning the cache of bundles: %w", err)
	}
	if !all {
		return c.evict(max), nil
	}
	var removed []Info
	left, err := c.List()
	for _, info := range left {
		if !c.used(info.Digest()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(c.dir, info.Digest())))
			removed = append(removed, info)
		}
	}
	return removed, err
}

// removeStale removes what runs left that were killed.
func (c *Cache) removeStale() error {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		about, infoErr := entry.Info()
		if infoErr == nil && strings.HasPrefix(entry.Name(), tempPrefix) && entry.Name() != tempPrefix && time.Since(about.ModTime()) > staleRun {
			err = errors.Join(err, os.RemoveAll(filepath.Join(c.dir, entry.Name())))
		}
	}
	return err
}

func (c *Cache) used(digest string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inUse[digest] != nil
}

// evict removes archives beyond max, but none that this run uses. What cannot be removed is left for the next time.
func (c *Cache) evict(max int64) []Info {
	all, err := c.List()
	if err != nil {
		return nil
	}
	var removed []Info
	var total int64
	for _, info := range all {
		if !info.HasArchive {
			continue
		}
		if total += info.Packed; total <= max || c.used(info.Digest()) {
			continue
		}
		if os.Remove(filepath.Join(c.dir, info.Digest(), archiveFile)) == nil {
			total -= info.Packed
			removed = append(removed, info)
		}
	}
	return removed
}
