//go:build unix

package fleettest

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervisorctl answers as supervisor 4.2.5 does, exit statuses included.
func (n *Node) supervisorctl(c *call) int {
	args := c.args
	for len(args) > 1 && args[0] == "-c" {
		args = args[2:]
	}
	if len(args) == 0 {
		return 2 // the interactive prompt
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "version":
		c.printf("4.2.5\n")
		return 0
	case "status":
		return n.supervisorStatus(c, args)
	case "tail":
		return n.supervisorTail(c, args)
	case "pid":
		return n.supervisorPID(c, args)
	case "start":
		return n.eachProgram(c, args, n.supervisorStart)
	case "stop":
		return n.eachProgram(c, args, n.supervisorStop)
	case "restart":
		n.eachProgram(c, args, n.supervisorStop)
		return n.eachProgram(c, args, n.supervisorStart)
	case "signal":
		return n.supervisorSignal(c, args)
	}
	c.printf("*** Unknown syntax: %s\n", verb)
	return 1
}

func (n *Node) eachProgram(c *call, names []string, do func(*call, *service) int) int {
	status := 0
	for _, name := range names {
		program := n.services.find(Supervisor, name)
		if program == nil {
			c.printf("%s: ERROR (no such process)\n", name)
			status = 1
			continue
		}
		status = cmp.Or(do(c, program), status)
	}
	return status
}

// supervisorStart waits until the program was up for startsecs, as the real one does.
func (n *Node) supervisorStart(c *call, program *service) int {
	if program.look().running() {
		c.printf("%s: ERROR (already started)\n", program.Name)
		return 0
	}
	if _, err := os.Stat(program.Exec[0]); err != nil {
		c.printf("%s: ERROR (no such file)\n", program.Name)
		return 1
	}
	program.start()
	now, _ := program.await(c.ctx, func(now status) bool { return now.phase != settling })
	if now.phase != up {
		c.printf("%s: ERROR (spawn error)\n", program.Name)
		return 7
	}
	c.printf("%s: started\n", program.Name)
	return 0
}

func (n *Node) supervisorStop(c *call, program *service) int {
	if now := program.look(); !now.running() && now.phase != waiting {
		c.printf("%s: ERROR (not running)\n", program.Name)
		return 0
	}
	program.stop(c.ctx)
	c.printf("%s: stopped\n", program.Name)
	return 0
}

func (n *Node) supervisorSignal(c *call, args []string) int {
	if len(args) < 2 {
		c.printf("Error: signal requires a signal name and a process name\n")
		return 1
	}
	signal := unix.SignalNum("SIG" + strings.TrimPrefix(args[0], "SIG"))
	if signal == 0 {
		c.printf("%s: ERROR (bad signal name)\n", args[1])
		return 1
	}
	return n.eachProgram(c, args[1:], func(c *call, program *service) int {
		if !program.signal(syscall.Signal(signal)) {
			c.printf("%s: ERROR (not running)\n", program.Name)
			return 7
		}
		c.printf("%s: signalled\n", program.Name)
		return 0
	})
}

func (n *Node) supervisorPID(c *call, args []string) int {
	if len(args) == 0 {
		c.printf("%d\n", os.Getpid())
		return 0
	}
	program := n.services.find(Supervisor, args[0])
	if program == nil {
		c.printf("No such process %s\n", args[0])
		return 1
	}
	c.printf("%d\n", program.look().pid)
	return 0
}

// supervisorStatus ends with 3 if a program is not running and with 4 if there is no such program.
func (n *Node) supervisorStatus(c *call, names []string) int {
	if len(names) == 0 || names[0] == "all" {
		names = nil
		for _, program := range n.services.of(Supervisor) {
			names = append(names, program.Name)
		}
	}
	status := 0
	for _, name := range names {
		program := n.services.find(Supervisor, name)
		if program == nil {
			c.printf("%s: ERROR (no such process)\n", name)
			status = 4
			continue
		}
		state, detail := supervisorState(program.look())
		c.printf("%-32s %-9s %s\n", name, state, detail)
		if state != "RUNNING" && state != "STARTING" && status == 0 {
			status = 3
		}
	}
	return status
}

func supervisorState(now status) (state, detail string) {
	const at = "Jan 02 03:04 PM"
	switch now.phase {
	case settling:
		return "STARTING", ""
	case up:
		return "RUNNING", fmt.Sprintf("pid %d, uptime %s", now.pid, uptime(time.Since(now.started)))
	case stopping:
		return "STOPPING", ""
	case waiting:
		return "BACKOFF", "Exited too quickly (process log may have details)"
	case failed:
		return "FATAL", "Exited too quickly (process log may have details)"
	}
	switch {
	case now.started.IsZero():
		return "STOPPED", "Not started"
	case now.stoppedByHand:
		return "STOPPED", now.since.Format(at)
	}
	return "EXITED", now.since.Format(at)
}

func uptime(d time.Duration) string {
	seconds := int(d.Seconds())
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

// supervisorTail prints the last bytes, 1600 by default, of what the program wrote to one stream.
func (n *Node) supervisorTail(c *call, args []string) int {
	size := 1600
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		wanted, err := strconv.Atoi(args[0][1:])
		if err != nil {
			c.printf("Error: bad argument %s\n", args[0])
			return 1
		}
		size, args = wanted, args[1:]
	}
	if len(args) == 0 {
		c.printf("Error: too few arguments\n")
		return 1
	}
	if n.services.find(Supervisor, args[0]) == nil {
		c.printf("%s: ERROR (no such process name)\n", args[0])
		return 1
	}
	stream := "stdout"
	if len(args) > 1 {
		stream = args[1]
	}
	var text strings.Builder
	for _, l := range n.journal.last(-1, func(l line) bool { return l.unit == args[0] && l.stream == stream }) {
		text.WriteString(l.text + "\n")
	}
	tail := text.String()
	c.printf("%s\n", tail[max(0, len(tail)-size):])
	return 0
}
