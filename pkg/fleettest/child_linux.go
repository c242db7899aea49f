package fleettest

import "syscall"

// childAttributes puts a child in its own process group and lets it die with this process.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
