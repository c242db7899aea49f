package bundle

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// UnusableError says that an archive from elsewhere cannot become a release.
type UnusableError struct{ Err error }

func (e *UnusableError) Error() string { return e.Err.Error() }

func (e *UnusableError) Unwrap() error { return e.Err }

// readForeign reads an archive into t: a zip, or a tar that may be compressed by gzip. What it is shows in its first bytes.
func readForeign(ctx context.Context, name string, t *tree) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return err
	}
	start := bufio.NewReaderSize(reading{ctx, file}, 64<<10)
	magic, _ := start.Peek(6)
	begins := func(with string) bool { return bytes.HasPrefix(magic, []byte(with)) }
	switch {
	case begins("PK\x03\x04"), begins("PK\x05\x06"):
		return readZip(ctx, file, about.Size(), t)
	case begins("\x1f\x8b"):
		unzipped, err := gzip.NewReader(start)
		if err != nil {
			return fmt.Errorf("reading it as gzip: %w", err)
		}
		return readTar(unzipped, t)
	case begins("BZh"), begins("\xfd7zXZ\x00"), begins("\x28\xb5\x2f\xfd"):
		return errors.New("it is compressed by bzip2, xz or zstd: make it a tar.gz or a zip")
	}
	return readTar(start, t)
}

// reading stops when its context ends.
type reading struct {
	ctx  context.Context
	from io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(p)
}

func readTar(from io.Reader, t *tree) error {
	archive := tar.NewReader(from)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading it as tar: %w", err)
		}
		if header.Typeflag == tar.TypeXGlobalHeader { // a comment, such as git's
			continue
		}
		if err := readTarEntry(header, archive, t); err != nil {
			return err
		}
	}
}

func readTarEntry(header *tar.Header, content io.Reader, t *tree) error {
	at, err := place(header.Name)
	if err != nil {
		return err
	}
	if at == "" && header.Typeflag != tar.TypeDir {
		return fmt.Errorf("%q names no file", header.Name)
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return t.folder(at)
	case tar.TypeReg, tar.TypeGNUSparse:
		return t.file(at, header.Mode&0o100 != 0, header.ModTime, content)
	case tar.TypeSymlink:
		return t.link(at, header.Linkname)
	case tar.TypeLink:
		other, err := place(header.Linkname)
		if err != nil {
			return fmt.Errorf("the hard link %q: %w", at, err)
		}
		return t.same(at, other)
	}
	return fmt.Errorf("%q is a device, a pipe or something else that is neither file, directory nor link", at)
}

func readZip(ctx context.Context, file io.ReaderAt, size int64, t *tree) error {
	archive, err := zip.NewReader(file, size)
	if err != nil {
		return fmt.Errorf("reading it as zip: %w", err)
	}
	for _, f := range archive.File {
		if err := readZipEntry(ctx, f, t); err != nil {
			return err
		}
	}
	return nil
}

func readZipEntry(ctx context.Context, f *zip.File, t *tree) error {
	at, err := place(f.Name)
	mode := f.Mode()
	switch {
	case err != nil:
		return err
	case mode.IsDir():
		return t.folder(at)
	case at == "":
		return fmt.Errorf("%q names no file", f.Name)
	case f.Flags&1 != 0:
		return fmt.Errorf("%q is encrypted", at)
	case !mode.IsRegular() && mode.Type() != fs.ModeSymlink:
		return fmt.Errorf("%q is a device, a pipe or something else that is neither file, directory nor link", at)
	}
	content, err := f.Open()
	if err != nil {
		return fmt.Errorf("reading %q: %w", at, err)
	}
	defer content.Close()
	if mode.IsRegular() {
		return t.file(at, mode&0o100 != 0, f.Modified, reading{ctx, content})
	}
	target, err := io.ReadAll(io.LimitReader(content, maxPath+1))
	if err != nil {
		return fmt.Errorf("reading %q: %w", at, err)
	}
	return t.link(at, string(target))
}
