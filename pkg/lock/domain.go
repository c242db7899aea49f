package lock

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Domain names a lock for good: whoever holds it later knows that who held it before is over. The name is random, made at its first use.
func (f Files) Domain(_ context.Context, key Key) (string, error) {
	name := filepath.Join(f.Dir, "id")
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return "", fmt.Errorf("making the directory of locks: %w", err)
	}
	temp := name + "-" + rand.Text()
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(temp, []byte(rand.Text()+"\n"), 0o644); err != nil {
			return "", fmt.Errorf("naming the locks of this machine: %w", err)
		}
		err := os.Link(temp, name) // fails if another process was faster
		if err = errors.Join(ignore(err, fs.ErrExist), os.Remove(temp)); err != nil {
			return "", fmt.Errorf("naming the locks of this machine: %w", err)
		}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("reading the name of the locks of this machine: %w", err)
	}
	host, err := os.Hostname() // of machines that are copies of one, each has locks of its own
	return "file:" + strings.TrimSpace(string(text)) + "@" + host + "/" + key.Path(), err
}

func ignore(err, known error) error {
	if errors.Is(err, known) {
		return nil
	}
	return err
}
