package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Files are locks of this machine: DIR/ENVIRONMENT/SERVICE.lock, locked by flock(2) and its like, with the holder as JSON in it. Such a lock is
// free as soon as its process is gone, however it went. The files are never removed: who had one open would lock a file that nobody else sees.
type Files struct {
	// Dir is the directory; Acquire makes it.
	Dir string
}

// ForeignError says that the lock's file belongs to another user of the machine, so that no deployment of ours can take the lock.
type ForeignError struct {
	Path string
	Err  error
}

// Error names the file.
func (e *ForeignError) Error() string { return fmt.Sprintf("taking the lock: %v", e.Err) }

// Hint says how users of one machine can share locks.
func (e *ForeignError) Hint() string {
	return fmt.Sprintf("it belongs to another user: deploy as that user, or let all deployers write to %s, or set lock: consul", e.Path)
}

// Unwrap returns the error of the file system.
func (e *ForeignError) Unwrap() error { return e.Err }

// UnwritableError says that the lock's file cannot be written, so that no deployment can take the lock.
type UnwritableError struct {
	Path string
	Err  error
}

// Error names the file.
func (e *UnwritableError) Error() string { return fmt.Sprintf("writing the lock: %v", e.Err) }

// Hint says how to get a lock.
func (e *UnwritableError) Hint() string {
	return fmt.Sprintf("make room for %s, or keep locks elsewhere, all deployers alike: XDG_STATE_HOME=DIRECTORY, or lock: consul", e.Path)
}

// Unwrap returns the error of the file system.
func (e *UnwritableError) Unwrap() error { return e.Err }

// holderTries is how often a held lock is looked at: its holder may be about to write down who it is, and who only looks holds it for a moment.
const holderTries, holderPause = 5, 20 * time.Millisecond

// Acquire takes the lock or says at once, by a *HeldError, who holds it.
func (f Files) Acquire(ctx context.Context, key Key, holder Holder) (Lease, error) {
	path := f.path(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the directory of locks: %w", err)
	}
	for try := 1; ; try++ {
		lease, err := f.try(key, holder)
		var held *HeldError
		if !errors.As(err, &held) || held.Holder != (Holder{}) || try == holderTries {
			return lease, err
		}
		select {
		case <-time.After(holderPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Holder says who holds the lock; nil where nobody does.
func (f Files) Holder(ctx context.Context, key Key) (*HeldError, error) {
	for try := 1; ; try++ {
		held, err := f.look(key)
		if err != nil || held == nil || held.Holder != (Holder{}) || try == holderTries {
			return held, err
		}
		select {
		case <-time.After(holderPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (f Files) path(key Key) string {
	return filepath.Join(f.Dir, filepath.FromSlash(key.Path())+".lock")
}

// String is the directory.
func (f Files) String() string { return f.Dir }

func (f Files) try(key Key, holder Holder) (Lease, error) {
	path := f.path(key)
	// Everybody may read who holds a lock.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if errors.Is(err, fs.ErrPermission) {
		if held, lookErr := f.look(key); lookErr == nil && held != nil {
			return nil, held
		}
		return nil, &ForeignError{path, err}
	}
	if err != nil {
		return nil, fmt.Errorf("taking the lock: %w", err)
	}
	switch err := flock(file, true); {
	case errors.Is(err, errLocked):
		defer file.Close()
		return nil, f.held(key, file)
	case err != nil:
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), file.Close())
	}
	if !isAt(path, file) { // somebody removed it in the meantime: this lock would keep nobody out
		file.Close()
		return f.try(key, holder)
	}
	if err := write(file, holder); err != nil {
		file.Close()
		return nil, &UnwritableError{path, err}
	}
	return &fileLease{file: file, done: make(chan struct{})}, nil
}

// look returns who holds the lock, without waiting; nil where it is free.
func (f Files) look(key Key) (*HeldError, error) {
	file, err := os.Open(f.path(key))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking at the lock: %w", err)
	}
	defer file.Close()
	switch err := flock(file, false); {
	case errors.Is(err, errLocked):
		return f.held(key, file), nil
	case err != nil:
		return nil, fmt.Errorf("looking at the lock: %w", err)
	}
	return nil, nil
}

func (f Files) held(key Key, file *os.File) *HeldError {
	e := &HeldError{Key: key, Where: file.Name()}
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 64<<10))
	if err != nil || json.Unmarshal(text, &e.Holder) != nil {
		e.Holder = Holder{}
		return e
	}
	e.Held = max(0, time.Since(e.Holder.Since))
	return e
}

func isAt(path string, file *os.File) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(opened, there)
}

func write(file *os.File, holder Holder) error {
	text, err := json.Marshal(holder)
	if err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt(append(text, '\n'), 0)
	return err
}

// fileLease is an open, locked file.
type fileLease struct {
	file *os.File
	done chan struct{}
}

// Done is never closed: the lock of a file lasts as long as its process.
func (l *fileLease) Done() <-chan struct{} { return l.done }

// Err is always nil.
func (l *fileLease) Err() error { return nil }

// Release empties the file and unlocks it. It does not wait.
func (l *fileLease) Release(context.Context) error {
	return errors.Join(l.file.Truncate(0), l.file.Close())
}
