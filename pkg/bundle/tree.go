package bundle

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/release"
)

// limits bound what an archive from elsewhere may hold.
type limits struct {
	entries int
	// bytes is of all files together, names of all paths and targets together.
	bytes, names int64
}

// importLimits are far above what is deployed, and below what fills a disk or the memory of this machine.
var importLimits = limits{entries: 1_000_000, bytes: 64 << 30, names: 128 << 20}

// maxPath is how long a path in a release may be, maxName one part of it, in bytes: what file systems take, with room for the release's own.
const (
	maxPath = 2048
	maxName = 255
	// maxLinks is how many links may lead on to each other, as the kernel has it.
	maxLinks = 40
	// maxDate is the last date that every tar can write, in seconds since the epoch.
	maxDate = 1<<33 - 1
)

// tree collects what an archive holds, and refuses what no release may hold. The content of its files goes to the spool, one after another.
type tree struct {
	limits
	spool   *bufio.Writer
	entries map[string]item
	written int64
	named   int64
}

type item struct {
	release.Entry
	// offset is where in the spool a file begins.
	offset int64
}

func newTree(spool io.Writer, l limits) *tree {
	return &tree{limits: l, spool: bufio.NewWriterSize(spool, 256<<10), entries: map[string]item{}}
}

// place makes the path of a manifest of a name in an archive; it is empty for the top itself.
func place(name string) (string, error) {
	var parts []string
	if strings.HasPrefix(name, "/") {
		return "", fmt.Errorf("%q is an absolute path", name)
	}
	if strings.ContainsFunc(name, odd) {
		return "", fmt.Errorf("%q has a backslash or a control character in its name", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..":
			return "", fmt.Errorf("%q leads outside of the archive", name)
		case len(part) > maxName:
			return "", fmt.Errorf("%.60q… has a part of more than %d bytes", name, maxName)
		case part != "" && part != ".":
			parts = append(parts, part)
		}
	}
	if len(name) > maxPath {
		return "", fmt.Errorf("%.60q… is longer than %d bytes", name, maxPath)
	}
	if len(parts) == 0 {
		return "", nil
	}
	if own := parts[0]; len(parts) == 1 && (own == "release.json" || own == release.LockName || strings.HasPrefix(own, release.ManifestName)) {
		return "", fmt.Errorf("%q is a name that rollpin needs for a file of its own: put what is in the archive into a folder", name)
	}
	return "./" + strings.Join(parts, "/"), nil
}

// odd is what no manifest can name, and no terminal should show.
func odd(c rune) bool { return c < ' ' || c == '\\' || c == 0x7f }

// put adds an entry, and the directories above it.
func (t *tree) put(e item) error {
	if parent := path.Dir(e.Path); parent != "." {
		above, known := t.entries["./"+parent]
		switch {
		case !known:
			if err := t.folder("./" + parent); err != nil {
				return err
			}
		case above.Kind != 'd':
			return fmt.Errorf("%q is below what is no directory", e.Path)
		}
	}
	if _, twice := t.entries[e.Path]; twice {
		return fmt.Errorf("%q is there twice", e.Path)
	}
	if t.named += int64(len(e.Path) + len(e.Target)); len(t.entries) == t.limits.entries || t.named > t.names {
		return fmt.Errorf("it has more than %d entries, or names of more than %d MiB", t.limits.entries, t.names>>20)
	}
	t.entries[e.Path] = e
	return nil
}

// folder adds a directory; it may be there.
func (t *tree) folder(at string) error {
	if known, there := t.entries[at]; there && known.Kind == 'd' || at == "" {
		return nil
	}
	return t.put(item{Entry: release.Entry{Kind: 'd', Mode: 0o755, Path: at}})
}

// file adds a file. Of its mode only counts whether its owner may execute it.
func (t *tree) file(at string, executable bool, date time.Time, content io.Reader) error {
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(t.spool, sum), io.LimitReader(content, t.bytes-t.written+1))
	if err != nil {
		return fmt.Errorf("reading %q: %w", at, err)
	}
	e := item{offset: t.written, Entry: release.Entry{
		Kind: 'f', Path: at, Mode: 0o644, MTime: min(max(date.Unix(), 0), maxDate), Size: size, SHA256: hex.EncodeToString(sum.Sum(nil)),
	}}
	if executable {
		e.Mode = 0o755
	}
	if t.written += size; t.written > t.bytes {
		return fmt.Errorf("its files are of more than %d GiB", t.bytes>>30)
	}
	return t.put(e)
}

// link adds a symbolic link. Where it leads is checked once all is known.
func (t *tree) link(at, target string) error {
	switch {
	case strings.HasPrefix(target, "/"):
		return fmt.Errorf("the link %q leads outside of the archive, to %q", at, target)
	case target == "" || len(target) > maxPath || strings.ContainsFunc(target, odd):
		return fmt.Errorf("the link %q leads to %.60q, which is no path", at, target)
	}
	return t.put(item{Entry: release.Entry{Kind: 'l', Path: at, Target: target}})
}

// same adds another name of a file that came before: a hard link.
func (t *tree) same(at, other string) error {
	e, known := t.entries[other]
	if !known || e.Kind != 'f' {
		return fmt.Errorf("%q is a hard link to %q, which is no file that came before it", at, other)
	}
	e.Path = at
	if t.written += e.Size; t.written > t.bytes { // each takes its space on the nodes
		return fmt.Errorf("its files are of more than %d GiB", t.bytes>>30)
	}
	return t.put(e)
}

// sorted ends the collecting: every link leads to a place inside.
func (t *tree) sorted() ([]item, error) {
	if err := t.spool.Flush(); err != nil {
		return nil, err
	}
	for _, e := range t.entries {
		if e.Kind != 'l' {
			continue
		}
		if err := t.inside(e); err != nil {
			return nil, fmt.Errorf("the link %q leads outside of the archive, to %q: %w", e.Path, e.Target, err)
		}
	}
	return slices.SortedFunc(maps.Values(t.entries), func(a, b item) int { return strings.Compare(a.Path, b.Path) }), nil
}

// inside walks along a link as the kernel would: other links on its way decide where ".." leads.
func (t *tree) inside(link item) error {
	at := strings.Split(path.Dir(link.Path[len("./"):]), "/")
	if at[0] == "." {
		at = nil
	}
	ahead, links := strings.Split(link.Target, "/"), 1
	for len(ahead) > 0 {
		part := ahead[0]
		ahead = ahead[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return errors.New("it climbs above the top")
			}
			at = at[:len(at)-1]
			continue
		}
		next := append(slices.Clone(at), part)
		e := t.entries["./"+strings.Join(next, "/")]
		if e.Kind != 'l' {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return errors.New("it goes over too many links")
		}
		ahead = append(strings.Split(e.Target, "/"), ahead...)
	}
	return nil
}
