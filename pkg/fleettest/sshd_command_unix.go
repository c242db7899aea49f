//go:build unix

package fleettest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a command in a session, and so in a process group, of its own.
type process struct {
	cmd          *exec.Cmd
	in, out, err *os.File // this side's ends; in and out are one file with a terminal, which has no err
	once         sync.Once
}

func startCommand(line, dir string, environ []string, terminal *ptyRequest) (command, error) {
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Dir, cmd.Env = dir, environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p := &process{cmd: cmd}
	theirs, err := p.attach(terminal)
	defer closeAll(theirs)
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		closeAll([]*os.File{p.in, p.out, p.err})
		return nil, fmt.Errorf("starting a command: %w", err)
	}
	return p, nil
}

// attach gives the command its files and returns those that only the command needs from then on.
func (p *process) attach(terminal *ptyRequest) ([]*os.File, error) {
	if terminal != nil {
		master, slave, err := openPTY(terminal)
		if err != nil {
			return nil, err
		}
		p.in, p.out = master, master
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
		p.cmd.SysProcAttr.Setctty = true
		return []*os.File{slave}, nil
	}
	var theirs []*os.File
	pipe := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, nil
		}
		return r, w
	}
	inR, inW := pipe()
	outR, outW := pipe()
	errR, errW := pipe()
	p.in, p.out, p.err = inW, outR, errR
	theirs = []*os.File{inR, outW, errW}
	if inR == nil || outR == nil || errR == nil {
		return theirs, errors.New("no pipe to be had")
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = inR, outW, errW
	return theirs, nil
}

func closeAll(files []*os.File) {
	for _, file := range files {
		if file != nil {
			_ = file.Close()
		}
	}
}

func (p *process) stdin() io.WriteCloser {
	if p.err == nil {
		return noClose{p.in} // the end of input is no end of a terminal
	}
	return p.in
}

func (p *process) stdout() io.ReadCloser { return p.out }

func (p *process) stderr() io.ReadCloser {
	if p.err == nil {
		return nil
	}
	return p.err
}

func (p *process) wait() (int, string) {
	_ = p.cmd.Wait()
	if p.err == nil { // a terminal hangs up with its leader: only what is written by now still comes
		_ = p.out.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	}
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return -1, strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG")
	}
	return status.ExitStatus(), ""
}

func (p *process) signal(name string) bool {
	number := unix.SignalNum("SIG" + name)
	return number != 0 && syscall.Kill(-p.cmd.Process.Pid, number) == nil
}

func (p *process) release() {
	p.once.Do(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		closeAll([]*os.File{p.in, p.out, p.err})
	})
}

type noClose struct{ io.Writer }

func (noClose) Close() error { return nil }
