//go:build unix

package fleettest

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sv answers as runit 2.1.2 does.
func (n *Node) sv(c *call) int {
	args, patience, verbose := c.args, 7*time.Second, false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch {
		case args[0] == "-v":
			verbose, args = true, args[1:]
		case args[0] == "-w" && len(args) > 1:
			seconds, err := strconv.Atoi(args[1])
			if err != nil {
				return svUsage(c)
			}
			patience, args = time.Duration(seconds)*time.Second, args[2:]
		default:
			return svUsage(c)
		}
	}
	if len(args) < 2 {
		return svUsage(c)
	}
	failures := 0
	for _, name := range args[1:] {
		unit := n.services.find(Runit, filepath.Base(name))
		if unit == nil {
			c.printf("fail: %s: unable to change to service directory: file does not exist\n", name)
			failures++
			continue
		}
		if !svOne(c, args[0], name, unit, verbose, patience) {
			failures++
		}
	}
	return failures
}

func svUsage(c *call) int {
	c.errorf("usage: sv [-v] [-w sec] command service ...\n")
	return 100
}

// svOne runs one command on one service. Only check, start, stop and restart wait for their effect, the others too if verbose.
func svOne(c *call, verb, name string, unit *service, verbose bool, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	reached, fresh := isUp, false
	switch verb {
	case "status":
		c.printf("%s\n", svState(name, unit.look()))
		return true
	case "check":
	case "start", "up", "u":
		fresh = !unit.look().running()
		unit.start()
	case "stop", "down", "d":
		unit.halt()
		reached = isDown
	case "restart":
		unit.stop(ctx)
		unit.start()
		fresh = true
	case "hup", "h":
		unit.signal(syscall.SIGHUP)
	case "term", "t":
		unit.signal(syscall.SIGTERM)
	default:
		svUsage(c)
		return false
	}
	if !verbose && !slices.Contains([]string{"check", "start", "stop", "restart"}, verb) {
		return true
	}
	now, ok := svWait(ctx, unit, reached, fresh)
	verdict := "ok"
	if !ok {
		verdict = "timeout"
	}
	c.printf("%s: %s\n", verdict, svState(name, now))
	return ok
}

func isUp(now status) bool   { return now.phase == up }
func isDown(now status) bool { return now.phase == down }

// svWait looks every 420 ms, as sv does. What was just started is first looked at after that time: a service that dies at once is seen down.
func svWait(ctx context.Context, unit *service, reached func(status) bool, fresh bool) (status, bool) {
	look := time.NewTicker(420 * time.Millisecond)
	defer look.Stop()
	for {
		now := unit.look()
		if !fresh && reached(now) {
			return now, true
		}
		select {
		case <-look.C:
			fresh = false
		case <-ctx.Done():
			return now, false
		}
	}
}

func svState(name string, now status) string {
	if now.running() {
		text := fmt.Sprintf("run: %s: (pid %d) %ds", name, now.pid, int(time.Since(now.started).Seconds()))
		if now.phase == stopping {
			text += ", want down, got TERM"
		}
		return text
	}
	text := fmt.Sprintf("down: %s: %ds, normally up", name, int(time.Since(now.since).Seconds()))
	if now.phase == waiting {
		text += ", want up"
	}
	return text
}
