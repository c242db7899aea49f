//go:build unix

package fleettest

import (
	"errors"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child is the main process of a service, in a process group of its own.
type child struct {
	pid    int // 0 if it could not be started
	exited chan exit
}

// exit is how a child ended.
type exit struct {
	status int            // the exit status, or the signal's number
	signal syscall.Signal // 0 unless a signal ended it
	err    error          // why it could not be started
}

// spawn starts a child. What cannot be started gives a child that exited at once with status 203, as systemd has it.
func spawn(argv, environ []string, dir string, stdout, stderr *lineWriter) *child {
	cmd := &exec.Cmd{Path: argv[0], Args: argv, Env: environ, Dir: dir, Stdout: stdout, Stderr: stderr}
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = 200 * time.Millisecond // for what it left behind and holds its output open
	c := &child{exited: make(chan exit, 1)}
	if err := cmd.Start(); err != nil {
		c.exited <- exit{status: 203, err: err}
		return c
	}
	c.pid = cmd.Process.Pid
	go func() {
		_ = cmd.Wait()
		c.kill(syscall.SIGKILL) // its own children go with it
		stdout.flush()
		stderr.flush()
		c.exited <- ending(cmd)
	}()
	return c
}

func ending(cmd *exec.Cmd) exit {
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return exit{status: int(status.Signal()), signal: status.Signal()}
	}
	return exit{status: status.ExitStatus()}
}

// kill signals the whole process group.
func (c *child) kill(signal syscall.Signal) {
	if c.pid != 0 {
		_ = syscall.Kill(-c.pid, signal)
	}
}

// clean says whether systemd takes e for a good end.
func (e exit) clean() bool {
	switch e.signal {
	case 0:
		return e.status == 0
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE:
		return true
	}
	return false
}

// result is the systemd property Result.
func (e exit) result() string {
	switch {
	case e.clean():
		return "success"
	case e.signal != 0:
		return "signal"
	}
	return "exit-code"
}

// reason is why it could not be started, as the C library says it.
func (e exit) reason() string {
	var number syscall.Errno
	if errors.As(e.err, &number) && number == unix.ENOENT {
		return "No such file or directory"
	}
	return "Permission denied"
}
