package bundle

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/release"
)

// maxManifest bounds the manifest in an archive, in bytes: a million files.
const maxManifest = 256 << 20

// Adopt takes an archive that release.Pack made into the cache: what fetch writes. It is checked while it arrives: every file in it is what
// its manifest says, and the manifest has the digest of info.Record. The rest of info is filled in. An error of fetch comes back as it is.
func (c *Cache) Adopt(info Info, fetch func(io.Writer) error) (Info, error) {
	temp, err := c.Temp()
	if err != nil {
		return Info{}, err
	}
	file, err := os.CreateTemp(temp, "fetch-")
	if err != nil {
		return Info{}, err
	}
	sum := sha256.New()
	manifest, err := checkWhile(info, func(to io.Writer) error { return fetch(io.MultiWriter(file, sum, to)) })
	about, statErr := file.Stat()
	if closeErr := errors.Join(statErr, file.Close()); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(file.Name()) // else it goes with the directory of this run
		return Info{}, err
	}
	info.SHA256, info.Packed = hex.EncodeToString(sum.Sum(nil)), about.Size()
	info.Files, info.Bytes = manifest.Size()
	return c.put(info, manifest, file.Name())
}

// checkWhile checks the archive that fetch writes. What comes after a fault is read as well, so that the fault is told and not that fetch was cut.
func checkWhile(info Info, fetch func(io.Writer) error) (release.Manifest, error) {
	from, to := io.Pipe()
	var manifest release.Manifest
	var fault error
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		manifest, fault = check(from, info.Digest())
		_, _ = io.Copy(io.Discard, from)
	}()
	err := fetch(to)
	_ = to.CloseWithError(err)
	<-checked
	switch {
	case err != nil:
		return release.Manifest{}, err
	case fault != nil:
		return release.Manifest{}, fmt.Errorf("checking the bundle of %s: %w", info.Record.ID, fault)
	}
	return manifest, nil
}

// check reads an archive from end to end: its manifest comes first, and every other entry is in it.
func check(archive io.Reader, digest string) (release.Manifest, error) {
	var manifest release.Manifest
	open := map[string]release.Entry{}
	err := read(archive, func(header *tar.Header, body io.Reader) error {
		if manifest.Text() == "" {
			if clean(header.Name) != "./"+release.ManifestName {
				return fmt.Errorf("it begins with %q, not with its manifest", header.Name)
			}
			text, err := io.ReadAll(io.LimitReader(body, maxManifest))
			if err != nil {
				return err
			}
			if manifest, err = release.ParseManifest(string(text)); err != nil {
				return err
			}
			if manifest.Digest() != digest {
				return errors.New("its manifest is another one")
			}
			for _, e := range manifest.Entries {
				if e.Kind != 'd' {
					open[e.Path] = e
				}
			}
			return nil
		}
		e, known := open[clean(header.Name)]
		if !known {
			return fmt.Errorf("%q is not in its manifest, or there twice", header.Name)
		}
		delete(open, e.Path)
		return same(e, header, body)
	})
	if err != nil {
		return release.Manifest{}, err
	}
	for missing := range open {
		return release.Manifest{}, fmt.Errorf("%s is missing", missing)
	}
	if manifest.Digest() != digest {
		return release.Manifest{}, errors.New("it holds no manifest")
	}
	return manifest, nil
}

func same(e release.Entry, header *tar.Header, body io.Reader) error {
	switch {
	case e.Kind == 'l' && header.Typeflag == tar.TypeSymlink && header.Linkname == e.Target:
		return nil
	case e.Kind != 'f' || header.Typeflag != tar.TypeReg:
		return fmt.Errorf("%s is of another kind than its manifest says", e.Path)
	case header.Mode != e.Mode || header.ModTime.Unix() != e.MTime:
		return fmt.Errorf("%s has another mode or date than its manifest says", e.Path)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, body); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != e.SHA256 {
		return fmt.Errorf("%s is not what its manifest says", e.Path)
	}
	return nil
}

// walk reads the entries of an archive in a file, one at a time.
func walk(archive string, each func(*tar.Header, io.Reader) error) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	return read(file, each)
}

func read(archive io.Reader, each func(*tar.Header, io.Reader) error) error {
	unzipped, err := gzip.NewReader(bufio.NewReaderSize(archive, 64<<10))
	if err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	entries := tar.NewReader(unzipped)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, unzipped) // the checksum stands at the very end
		}
		if err != nil {
			return fmt.Errorf("reading the archive: %w", err)
		}
		if header == nil {
			return nil
		}
		if err := each(header, entries); err != nil {
			return err
		}
	}
}

// clean is the name of an entry as a manifest has it.
func clean(name string) string {
	return "./" + strings.TrimPrefix(name, "./")
}

// Payload is a file to send to a node.
type Payload struct {
	// File is on this machine. SHA256 is its digest in hex.
	File   string
	Size   int64
	SHA256 string
	// Base is the release on the node that it builds upon; empty where it holds all.
	Base string
}

type delta struct {
	once    sync.Once
	payload Payload
	err     error
}

// Whole is the payload for a node that has nothing of the bundle.
func (c *Cache) Whole(info Info) Payload {
	return Payload{File: filepath.Join(c.dir, info.Digest(), archiveFile), Size: info.Packed, SHA256: info.SHA256}
}

// Delta is the payload for nodes that lack what d says. It is made once for all of them.
func (c *Cache) Delta(info Info, d release.Delta) (Payload, error) {
	key := info.Digest() + "\n" + d.Base + "\n" + strings.Join(d.Added, "\n") + "\n\n" + strings.Join(d.Removed, "\n")
	for _, moved := range d.Moved {
		key += "\n" + moved[0]
	}
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	c.mu.Lock()
	made, known := c.deltas[name]
	if !known {
		made = new(delta)
		c.deltas[name] = made
	}
	c.mu.Unlock()
	made.once.Do(func() {
		var temp string
		if temp, made.err = c.Temp(); made.err == nil {
			made.payload, made.err = c.writeDelta(filepath.Join(temp, name+".tar.gz"), info, d)
		}
	})
	return made.payload, made.err
}

func (c *Cache) writeDelta(name string, info Info, d release.Delta) (Payload, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return Payload{}, err
	}
	sum := sha256.New()
	zipped := gzip.NewWriter(io.MultiWriter(file, sum))
	archive := tar.NewWriter(zipped)
	err = writeLists(archive, d)
	if err == nil {
		err = walk(filepath.Join(c.dir, info.Digest(), archiveFile), func(header *tar.Header, body io.Reader) error {
			if !d.Send[clean(header.Name)] {
				return nil
			}
			if err := archive.WriteHeader(header); err != nil {
				return err
			}
			_, err := io.Copy(archive, body)
			return err
		})
	}
	if err := errors.Join(err, archive.Close(), zipped.Close(), file.Close()); err != nil {
		return Payload{}, fmt.Errorf("packing what changed: %w", err)
	}
	about, err := os.Stat(name)
	if err != nil {
		return Payload{}, err
	}
	return Payload{File: name, Size: about.Size(), SHA256: hex.EncodeToString(sum.Sum(nil)), Base: d.Base}, nil
}

// writeLists writes what release.Receive builds the manifest and the moved files from.
func writeLists(archive *tar.Writer, d release.Delta) error {
	var moved strings.Builder
	for _, pair := range d.Moved {
		moved.WriteString(pair[0] + "\t" + pair[1] + "\n")
	}
	for _, list := range []struct{ name, text string }{
		{".del", lines(d.Removed)}, {".add", lines(d.Added)}, {".moved", moved.String()},
	} {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: "./" + release.ManifestName + list.name, Mode: 0o644, Size: int64(len(list.text)), ModTime: time.Unix(0, 0)}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.WriteString(archive, list.text); err != nil {
			return err
		}
	}
	return nil
}

func lines(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return strings.Join(all, "\n") + "\n"
}
