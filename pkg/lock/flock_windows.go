package lock

import (
	"os"

	"golang.org/x/sys/windows"
)

// errLocked says that another process has the file locked.
var errLocked = windows.ERROR_LOCK_VIOLATION

// flock locks a file without waiting: for this process alone, or shared with who looks as well. It ends when the file is closed. What is locked
// is one byte far behind the text, which stays readable so.
func flock(file *os.File, alone bool) error {
	how := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if alone {
		how |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	return windows.LockFileEx(windows.Handle(file.Fd()), how, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
}
