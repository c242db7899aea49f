package bundle

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/release"
)

// lockDate is the date of the lock in what was imported: release.FileDate. It comes with no date of its own.
var lockDate = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Import makes a bundle of an archive from elsewhere: a zip, a tar, or a tar.gz. What it holds stays as it is, each file with its own date, and
// info.Lock lies beside it. All but the digest of info.Record has to be filled in. The memory that it takes does not depend on the size of the
// files. An *UnusableError says what no release may hold.
func (c *Cache) Import(ctx context.Context, info Info, archive string) (Info, error) {
	temp, err := c.Temp()
	if err != nil {
		return Info{}, err
	}
	dir, err := os.MkdirTemp(temp, "import-")
	if err != nil {
		return Info{}, err
	}
	defer os.RemoveAll(dir)
	spool, err := os.Create(filepath.Join(dir, "spool"))
	if err != nil {
		return Info{}, err
	}
	defer spool.Close()
	items, manifest, err := survey(ctx, archive, info.Lock, spool, importLimits)
	if err != nil {
		return Info{}, err
	}
	info.Record.Digest = manifest.Digest()
	info.Files, info.Bytes = manifest.Size()
	packed := filepath.Join(dir, archiveFile)
	if info.Packed, info.SHA256, err = pack(ctx, packed, manifest, items, spool); err != nil {
		return Info{}, fmt.Errorf("packing what was in the archive: %w", err)
	}
	return c.put(info, manifest, packed)
}

// survey reads an archive from elsewhere into the spool, and lists what it holds with the lock beside it.
func survey(ctx context.Context, archive, lock string, spool io.Writer, l limits) ([]item, release.Manifest, error) {
	t := newTree(spool, l)
	err := readForeign(ctx, archive, t)
	if err == nil && len(t.entries) == 0 {
		err = errors.New("there is nothing in it")
	}
	if err == nil {
		err = t.file("./"+release.LockName, false, lockDate, strings.NewReader(lock))
	}
	var items []item
	if err == nil {
		items, err = t.sorted()
	}
	if ctx.Err() != nil {
		return nil, release.Manifest{}, context.Cause(ctx)
	}
	var manifest release.Manifest
	if err == nil {
		entries := make([]release.Entry, len(items))
		for i, item := range items {
			entries[i] = item.Entry
		}
		manifest, err = release.NewManifest(entries)
	}
	var system *os.PathError
	if err != nil && !errors.As(err, &system) { // what this machine's disk says is no fault of the archive
		err = &UnusableError{err}
	}
	return items, manifest, err
}

// pack writes the archive that release.Receive unpacks: the manifest, then files and links by their paths. In this form every tar reads it.
func pack(ctx context.Context, name string, manifest release.Manifest, items []item, spool io.ReaderAt) (size int64, digest string, err error) {
	file, err := os.Create(name)
	if err != nil {
		return 0, "", err
	}
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(file, sum), 64<<10)
	zipped := gzip.NewWriter(out)
	archive := tar.NewWriter(zipped)
	err = packed(archive, item{Entry: release.Entry{Kind: 'f', Path: "./" + release.ManifestName, Mode: 0o644, Size: int64(len(manifest.Text()))}},
		strings.NewReader(manifest.Text()))
	for _, e := range items {
		if err == nil && e.Kind != 'd' {
			err = packed(archive, e, reading{ctx, io.NewSectionReader(spool, e.offset, e.Size)})
		}
	}
	err = errors.Join(err, archive.Close(), zipped.Close(), out.Flush())
	about, statErr := file.Stat()
	if err = errors.Join(err, statErr, file.Close()); err != nil {
		return 0, "", err
	}
	return about.Size(), hex.EncodeToString(sum.Sum(nil)), nil
}

func packed(archive *tar.Writer, e item, content io.Reader) error {
	header := &tar.Header{Format: tar.FormatGNU, Typeflag: tar.TypeReg, Name: e.Path, Mode: e.Mode, ModTime: time.Unix(e.MTime, 0), Size: e.Size}
	if e.Kind == 'l' {
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, e.Target, 0o777
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(archive, content)
	return err
}
