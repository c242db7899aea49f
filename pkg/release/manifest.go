package release

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ManifestName and LockName are the files of a release that list its files and its packages.
const (
	ManifestName = "rollpin.manifest"
	LockName     = "rollpin.lock"
)

// Manifest lists every directory, file and link of a release, but for its record and itself. Its text is one line for each, sorted
// bytewise, with tabs between the fields:
//
//	d MODE PATH
//	f MODE MTIME SIZE SHA256 PATH
//	l PATH TARGET
//
// Paths begin with "./"; modes are octal, times in seconds since the epoch.
type Manifest struct {
	Entries []Entry
	text    string
}

// Entry is one line of a manifest.
type Entry struct {
	// Kind is 'd', 'f' or 'l'.
	Kind byte
	Path string
	// Mode is set for directories and files; the rest but Target for files, Target for links.
	Mode   int64
	MTime  int64
	Size   int64
	SHA256 string
	Target string
	line   string
}

// Line is the entry as it stands in the manifest, without the line break.
func (e Entry) Line() string { return e.line }

// ParseManifest reads the text of a manifest. It refuses what is not sorted, what names a place outside of the release, and what is there twice.
func ParseManifest(text string) (Manifest, error) {
	m := Manifest{text: text}
	seen := map[string]bool{}
	before := ""
	for line := range strings.Lines(text) {
		line, ended := strings.CutSuffix(line, "\n")
		e, err := parseEntry(line)
		switch {
		case err == nil && !ended:
			err = errors.New("it is cut off")
		case err == nil && line <= before && before != "":
			err = errors.New("it is not sorted")
		case err == nil && seen[e.Path]:
			err = errors.New("its path is there twice")
		}
		if err != nil {
			return Manifest{}, fmt.Errorf("reading line %d of a manifest: %w", len(m.Entries)+1, err)
		}
		seen[e.Path], before = true, line
		m.Entries = append(m.Entries, e)
	}
	return m, nil
}

func parseEntry(line string) (Entry, error) {
	fields := strings.Split(line, "\t")
	e := Entry{line: line}
	var err error
	number := func(text string, base int) int64 {
		n, e := strconv.ParseInt(text, base, 64)
		err = errors.Join(err, e)
		return n
	}
	switch {
	case fields[0] == "d" && len(fields) == 3:
		e.Kind, e.Mode, e.Path = 'd', number(fields[1], 8), fields[2]
	case fields[0] == "f" && len(fields) == 6:
		e.Kind, e.Mode, e.MTime, e.Size, e.SHA256, e.Path = 'f', number(fields[1], 8), number(fields[2], 10), number(fields[3], 10), fields[4], fields[5]
		if digest, hexErr := hex.DecodeString(e.SHA256); hexErr != nil || len(digest) != sha256.Size || e.Size < 0 {
			return Entry{}, fmt.Errorf("%q is no file with a size and a SHA-256", line)
		}
	case fields[0] == "l" && len(fields) == 3:
		e.Kind, e.Path, e.Target = 'l', fields[1], fields[2]
	default:
		return Entry{}, fmt.Errorf("%q is no directory, file or link", line)
	}
	if err != nil {
		return Entry{}, err
	}
	if !CleanPath(e.Path) {
		return Entry{}, fmt.Errorf("%q is no path in a release", e.Path)
	}
	return e, nil
}

// CleanPath tells whether name is "./" and the plain path of something in a release.
func CleanPath(name string) bool {
	inner, ok := strings.CutPrefix(name, "./")
	return ok && inner != "" && path.Clean(inner) == inner && inner != "." && inner != ".." && !strings.HasPrefix(inner, "../") &&
		!strings.HasPrefix(inner, "/") && !strings.ContainsAny(inner, "\t\r\n\\\x00")
}

// NewManifest sorts the entries, of which every field but the line is filled in.
func NewManifest(entries []Entry) (Manifest, error) {
	var text strings.Builder
	lines := make([]string, len(entries))
	for i, e := range entries {
		switch e.Kind {
		case 'd':
			lines[i] = fmt.Sprintf("d\t%o\t%s\n", e.Mode, e.Path)
		case 'f':
			lines[i] = fmt.Sprintf("f\t%o\t%d\t%d\t%s\t%s\n", e.Mode, e.MTime, e.Size, e.SHA256, e.Path)
		default:
			lines[i] = fmt.Sprintf("l\t%s\t%s\n", e.Path, e.Target)
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		text.WriteString(line)
	}
	return ParseManifest(text.String())
}

// Text is the manifest as it is written.
func (m Manifest) Text() string { return m.text }

// Digest is the SHA-256 of the text, in hex: it names the bits of a release.
func (m Manifest) Digest() string {
	sum := sha256.Sum256([]byte(m.text))
	return hex.EncodeToString(sum[:])
}

// Size returns the number of files and of their bytes.
func (m Manifest) Size() (files int, bytes int64) {
	for _, e := range m.Entries {
		if e.Kind == 'f' {
			files++
			bytes += e.Size
		}
	}
	return files, bytes
}

// Delta is what turns releases that a node has into another one.
type Delta struct {
	// Base is the release whose manifest is patched: Removed are its lines that go, Added those that come, both sorted.
	Base           string
	Removed, Added []string
	// Moved are the files that the node has at another place: pairs of RELEASE/PATH and the path in the new release.
	Moved [][2]string
	// Send are the files and links, by path, that have to be sent.
	Send map[string]bool
}

// DeltaFrom computes how m comes about on a node that has these releases, by their ids. The base is the one with the most bytes in common.
// It is false where none of them has anything in common with m.
func (m Manifest) DeltaFrom(have map[string]Manifest) (Delta, bool) {
	d := Delta{Send: map[string]bool{}}
	var most int64
	for id, other := range have {
		if same := m.common(other); same > most || same == most && same > 0 && id < d.Base {
			d.Base, most = id, same
		}
	}
	if d.Base == "" {
		return Delta{}, false
	}
	base := lineSet(have[d.Base])
	places := sources(have)
	for _, e := range m.Entries {
		if base[e.line] {
			delete(base, e.line)
			if e.Kind == 'l' { // links are made by the archive; files that stayed are copied on the node
				d.Send[e.Path] = true
			}
			continue
		}
		d.Added = append(d.Added, e.line)
		from, there := places[e.content()]
		switch {
		case e.Kind == 'f' && there:
			d.Moved = append(d.Moved, [2]string{from, e.Path})
		case e.Kind != 'd':
			d.Send[e.Path] = true
		}
	}
	for line := range base {
		d.Removed = append(d.Removed, line)
	}
	slices.Sort(d.Removed)
	return d, true
}

// content is what two files that can stand for each other have in common.
func (e Entry) content() string {
	if e.Kind != 'f' {
		return ""
	}
	return e.line[:len(e.line)-len(e.Path)]
}

// common is the number of bytes of the files that are the same at the same place.
func (m Manifest) common(other Manifest) int64 {
	lines := lineSet(other)
	var same int64
	for _, e := range m.Entries {
		if e.Kind == 'f' && lines[e.line] {
			same += e.Size + 1
		}
	}
	return same
}

func lineSet(m Manifest) map[string]bool {
	lines := make(map[string]bool, len(m.Entries))
	for _, e := range m.Entries {
		lines[e.line] = true
	}
	return lines
}

// sources tells where the node has a file of some content: RELEASE/PATH, the first in order.
func sources(have map[string]Manifest) map[string]string {
	places := map[string]string{}
	for id, m := range have {
		for _, e := range m.Entries {
			place := id + "/" + e.Path
			if known, there := places[e.content()]; e.Kind == 'f' && (!there || place < known) {
				places[e.content()] = place
			}
		}
	}
	return places
}

// Changes is how one release differs from another.
type Changes struct {
	// Added, Removed and Changed are numbers of files; Bytes the size of those that were added or changed.
	Added   int   `json:"added"`
	Removed int   `json:"removed"`
	Changed int   `json:"changed"`
	Bytes   int64 `json:"bytes"`
}

// ChangesFrom counts the files that differ between before and m.
func (m Manifest) ChangesFrom(before Manifest) Changes {
	old := map[string]string{}
	for _, e := range before.Entries {
		if e.Kind != 'd' {
			old[e.Path] = e.content() + e.Target
		}
	}
	var c Changes
	for _, e := range m.Entries {
		if e.Kind == 'd' {
			continue
		}
		was, there := old[e.Path]
		delete(old, e.Path)
		switch {
		case !there:
			c.Added++
			c.Bytes += e.Size
		case was != e.content()+e.Target:
			c.Changed++
			c.Bytes += e.Size
		}
	}
	c.Removed = len(old)
	return c
}
