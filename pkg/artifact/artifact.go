// Package artifact gets the one file that a deployment was told to take instead of what an index has: from this machine, or from a URL
// together with its digest. It knows nothing of what is in the file.
package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Ref is what names an artifact: a file or a URL, and its SHA-256 in hex, which a file may do without.
type Ref struct{ File, URL, SHA256 string }

// File is an artifact in hand.
type File struct {
	// Path is where it is on this machine, Name what it is called where it came from.
	Path, Name string
	// SHA256 is its digest, in hex.
	SHA256 string
	Size   int64
}

// Error says that an artifact cannot be used as it was named; nothing was touched.
type Error struct {
	Err error
	// Advice is what to do about it; empty for none.
	Advice string
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Hint is the advice.
func (e *Error) Hint() string { return e.Advice }

const (
	digestMark = "#sha256="
	urlForm    = "--artifact 'https://HOST/FILE#sha256=HEX', with the 64 digits that sha256sum FILE prints"
)

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Parse reads FILE, FILE#sha256=HEX or URL#sha256=HEX. Its error is an *Error.
func Parse(text string) (Ref, error) {
	name, digest, given := strings.Cut(text, digestMark)
	digest = strings.ToLower(digest)
	switch {
	case name == "":
		return Ref{}, &Error{errors.New("the artifact is empty"), "--artifact FILE, or " + urlForm}
	case given && !hexDigest.MatchString(digest):
		return Ref{}, &Error{fmt.Errorf("%q is no SHA-256 of 64 hexadecimal digits", digest), urlForm}
	case !strings.Contains(name, "://"):
		return Ref{File: name, SHA256: digest}, nil
	}
	address, err := url.Parse(name)
	switch {
	case err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "":
		return Ref{}, &Error{errors.New("the artifact is neither a file nor a URL, http or https"), "download it, and name the file"}
	case address.User != nil:
		return Ref{}, &Error{errors.New("the artifact's URL holds credentials, which would stand in process lists and logs"),
			"download it with a tool that has them, and name the file"}
	case !given:
		return Ref{}, &Error{fmt.Errorf("the artifact %s has no digest: what a URL gives may change", name), urlForm}
	}
	return Ref{URL: name, SHA256: digest}, nil
}

// Get looks at the file, or downloads it into dir, and compares its digest. Its error is an *Error unless a download failed.
func Get(ctx context.Context, r Ref, dir string) (File, error) {
	found := File{Path: r.File, Name: filepath.Base(r.File)}
	if r.URL != "" {
		address, err := url.Parse(r.URL)
		if err != nil {
			return File{}, err
		}
		found = File{Path: filepath.Join(dir, "artifact"), Name: path.Base(address.Path)}
		if err := download(ctx, r.URL, found.Path); ctx.Err() != nil {
			return File{}, context.Cause(ctx)
		} else if err != nil {
			return File{}, fmt.Errorf("downloading the artifact: %w", err)
		}
	}
	if err := found.measure(ctx); err != nil {
		if ctx.Err() != nil {
			return File{}, context.Cause(ctx)
		}
		return File{}, &Error{fmt.Errorf("reading the artifact: %w", err), ""}
	}
	if r.SHA256 != "" && r.SHA256 != found.SHA256 {
		return File{}, &Error{
			fmt.Errorf("the artifact %s is not the one that was named: its SHA-256 is %s, and not %s", found.Name, found.SHA256, r.SHA256),
			"find out who replaced it, or name the digest that it has now",
		}
	}
	return found, nil
}

func (f *File) measure(ctx context.Context) error {
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return err
	}
	if !about.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", f.Path)
	}
	sum := sha256.New()
	if f.Size, err = io.Copy(sum, reader{ctx, file}); err != nil {
		return err
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// reader stops when its context ends.
type reader struct {
	ctx  context.Context
	from io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(p)
}

// download writes what a URL gives to a file. HTTP_PROXY and its kin apply.
func download(ctx context.Context, from, to string) error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // some servers call a tar.gz a tar that is sent compressed: the bytes count as they are
	transport.ResponseHeaderTimeout = time.Minute
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", request.URL.Host, response.Status)
	}
	file, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}
