//go:build unix

package lock

import (
	"errors"
	"os"
	"syscall"
)

// errLocked says that another process has the file locked.
var errLocked = syscall.EWOULDBLOCK

// flock locks a file without waiting: for this process alone, or shared with who looks as well. It ends when the file is closed.
func flock(file *os.File, alone bool) error {
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	for {
		if err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
