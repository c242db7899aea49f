package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"github.com/rollpin/rollpin/pkg/rollout"
)

// Error is a journal that cannot be written.
type Error struct {
	// File is the journal, Doing what failed: "writing", "making", …
	File, Doing string
	Err         error
}

// Error names the file.
func (e *Error) Error() string {
	err := e.Err
	var path *fs.PathError
	if errors.As(err, &path) && path.Path == e.File {
		err = path.Err // the name would come twice
	}
	return fmt.Sprintf("%s the journal %s: %v", e.Doing, e.File, err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says where else it could stand.
func (e *Error) Hint() string {
	switch {
	case errors.Is(e.Err, fs.ErrExist):
		return ""
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "make room there, or keep journals elsewhere: XDG_STATE_HOME=DIRECTORY"
	}
	return "see that it can be written, or keep journals elsewhere: XDG_STATE_HOME=DIRECTORY"
}

// file is what a Writer needs of a file.
type file interface {
	io.Writer
	Sync() error
	Close() error
}

// Writer appends the events of one deployment to its journal.
type Writer struct {
	name string
	file file

	mu      sync.Mutex
	changed *sync.Cond // syncing ended
	// seq is that of the last line written, synced that of the last line known to be on disk.
	seq, synced int
	syncing     bool
	// err is the first failure. What the kernel did with the lines before it is not known, so nothing that follows can be trusted.
	err error
}

// Create makes the journal of a new deployment, which must not be there yet. That the file exists is on disk when it returns.
func Create(dir, environment, service, id string) (*Writer, error) {
	name := File(dir, environment, service, id)
	if err := makeDir(filepath.Dir(name)); err != nil {
		return nil, &Error{name, "making", err}
	}
	opened, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, &Error{name, "making", err}
	}
	if err := syncDir(filepath.Dir(name)); err != nil {
		return nil, &Error{name, "making", errors.Join(err, opened.Close())}
	}
	return newWriter(name, opened, 0), nil
}

// Open goes on with the journal of a deployment, behind its last whole line; a torn one is cut off.
func Open(dir, environment, service, id string) (*Writer, error) {
	name := File(dir, environment, service, id)
	found, err := mend(name)
	if err != nil {
		return nil, err
	}
	opened, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, &Error{name, "opening", err}
	}
	return newWriter(name, opened, found), nil
}

// mend cuts off a torn line and returns the number of whole ones. Windows does not cut a file that is open for appending.
func mend(name string) (lines int, err error) {
	opened, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return 0, &Error{name, "opening", err}
	}
	found, err := scan(opened, name, func(rollout.Event) {})
	if err != nil {
		return 0, errors.Join(err, opened.Close())
	}
	if err := errors.Join(opened.Truncate(found.size), opened.Sync(), opened.Close()); err != nil {
		return 0, &Error{name, "mending", err}
	}
	return found.lines, nil
}

func newWriter(name string, f file, seq int) *Writer {
	w := &Writer{name: name, file: f, seq: seq, synced: seq}
	w.changed = sync.NewCond(&w.mu)
	return w
}

// Name is the journal's file.
func (w *Writer) Name() string { return w.name }

// Append writes the line of an event behind those before it; it is on disk once a Sync that was called later returns nil. Events must
// come one at a time. Once a write or a sync has failed, every Append and Sync returns that first error, an *Error.
func (w *Writer) Append(e rollout.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	text, err := encode(line{schema, w.seq + 1, e})
	if err == nil {
		_, err = w.file.Write(text)
	}
	if err != nil {
		w.err = &Error{w.name, "writing", err}
		return w.err
	}
	w.seq++
	return nil
}

func encode(l line) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(l)
	return out.Bytes(), err
}

// Sync returns nil when every line that was appended before the call is on disk. Many goroutines may call it at once: one fsync serves
// all that wait. A sync that failed is never tried again, because the kernel may have dropped what it could not write.
func (w *Writer) Sync() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	for want := w.seq; w.synced < want; {
		switch {
		case w.syncing:
			w.changed.Wait()
		case w.err != nil:
			return w.err
		default:
			w.sync()
		}
	}
	return nil
}

// sync puts on disk what was written so far. The lock is open meanwhile, so that lines can be appended for the next one.
func (w *Writer) sync() {
	upTo := w.seq
	w.syncing = true
	w.mu.Unlock()
	err := w.file.Sync()
	w.mu.Lock()
	w.syncing = false
	switch {
	case err == nil:
		w.synced = upTo
	case w.err == nil:
		w.err = &Error{w.name, "writing", err}
	}
	w.changed.Broadcast()
}

// Close puts all lines on disk and closes the file.
func (w *Writer) Close() error {
	err := w.Sync()
	if closing := w.file.Close(); err == nil && closing != nil {
		err = &Error{w.name, "closing", closing}
	}
	return err
}

// makeDir makes a directory and those above it, each of them on disk.
func makeDir(dir string) error {
	if about, err := os.Stat(dir); err == nil && about.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// syncDir puts the entries of a directory on disk, where a directory can be synced at all.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	opened, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = opened.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, opened.Close())
}
