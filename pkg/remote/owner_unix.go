//go:build unix

package remote

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedByMe tells whether the permissions of a file are ours to set; OpenSSH looks at those of no other.
func ownedByMe(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
