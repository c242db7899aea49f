//go:build unix

package inventory

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the end of cmd's context kill all that cmd started, not only cmd itself.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
