//go:build unix

package fleettest

import (
	"context"
	"sync/atomic"
	"syscall"
	"time"
)

// service runs one unit. Its goroutine, own, is the only one that touches status; the others ask it through do.
type service struct {
	Unit
	node *Node
	port int

	calls      chan func()
	quit, gone chan struct{}

	status
	child   *child
	wake    <-chan time.Time // ends the pause or the patience of the present phase
	changed chan struct{}    // closed and replaced when the phase changes
	limit   startLimit
	early   int // ends in a row before the service was up for a second
}

type phase int

const (
	down     phase = iota // never started, stopped, or ended well
	settling              // started, but not up before it lived for a second; supervisor alone has this
	up
	stopping
	waiting // ended by itself; will start again
	failed
)

// status is what is known about a service at one moment.
type status struct {
	phase         phase
	since         time.Time // of the phase
	pid           int       // 0 unless it runs
	mainPID       int       // of the last process
	started       time.Time // of the last process
	exited        time.Time // of the last process; zero while it runs
	starts        int
	restarts      int    // by the manager, since the last start by hand
	result        string // in systemd's words
	exit          exit   // of the last process
	invocation    string // of the last process
	stoppedByHand bool
}

func (s status) running() bool { return s.phase == settling || s.phase == up || s.phase == stopping }

func newService(u Unit, n *Node, port int) *service {
	return &service{
		Unit: u, node: n, port: port,
		calls: make(chan func()), quit: make(chan struct{}), gone: make(chan struct{}),
		changed: make(chan struct{}), status: status{result: "success"},
	}
}

// own is the life of the service.
func (s *service) own() {
	defer close(s.gone)
	for {
		var exited <-chan exit
		if s.child != nil {
			exited = s.child.exited
		}
		select {
		case call := <-s.calls:
			call()
		case e := <-exited:
			s.ended(e)
		case <-s.wake:
			s.woken()
		case <-s.quit:
			if s.child != nil {
				s.child.kill(syscall.SIGKILL)
				<-s.child.exited
			}
			return
		}
	}
}

// do runs f in the service's goroutine; not at all after the fleet was closed.
func (s *service) do(f func()) {
	done := make(chan struct{})
	select {
	case s.calls <- func() { f(); close(done) }:
		<-done
	case <-s.gone:
	}
}

func (s *service) look() (now status) {
	s.do(func() { now = s.status })
	return now
}

// await waits until the state is as wanted; the last state seen if ctx ends before.
func (s *service) await(ctx context.Context, wanted func(status) bool) (now status, ok bool) {
	for {
		var changed chan struct{}
		s.do(func() { now, changed = s.status, s.changed })
		if wanted(now) {
			return now, true
		}
		select {
		case <-changed:
		case <-s.gone:
			return now, false
		case <-ctx.Done():
			return now, false
		}
	}
}

// start starts what does not run, and is false if the manager refuses.
func (s *service) start() (accepted bool) {
	s.do(func() {
		if s.running() {
			accepted = true
			return
		}
		s.early = 0
		if accepted = s.launch(); accepted {
			s.restarts = 0
		}
	})
	return accepted
}

// stop ends the service and waits for it.
func (s *service) stop(ctx context.Context) {
	s.halt()
	s.await(ctx, func(now status) bool { return !now.running() })
}

// halt begins to end the service.
func (s *service) halt() {
	s.do(func() {
		switch s.phase {
		case waiting:
			s.wake, s.stoppedByHand = nil, true
			s.enter(down)
		case settling, up:
			s.say("Stopping %s...", s.Name)
			s.child.kill(syscall.SIGTERM)
			s.wake, s.stoppedByHand = time.After(s.StopTimeout), true
			s.enter(stopping)
		}
	})
}

// signal sends a signal to the service, and is false if it does not run.
func (s *service) signal(signal syscall.Signal) (sent bool) {
	s.do(func() {
		if sent = s.running(); sent {
			s.child.kill(signal)
		}
	})
	return sent
}

// reset forgets failures, as systemctl reset-failed does.
func (s *service) reset() {
	s.do(func() {
		s.limit, s.restarts, s.result = startLimit{}, 0, "success"
		if s.phase == failed {
			s.enter(down)
		}
	})
}

func (s *service) enter(p phase) {
	s.phase, s.since = p, time.Now()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *service) launch() bool {
	s.wake = nil
	if s.Manager == Systemd && !s.limit.allow(time.Now()) {
		s.refuse()
		return false
	}
	s.invocation, s.result, s.stoppedByHand = newInvocation(), "success", false
	var pid atomic.Int64
	s.child = spawn(s.Exec, append(s.node.environ(s.port), s.Env...), s.node.Home, s.output("stdout", &pid), s.output("stderr", &pid))
	pid.Store(int64(s.child.pid))
	s.pid, s.mainPID, s.started, s.exited, s.exit = s.child.pid, s.child.pid, time.Now(), time.Time{}, exit{}
	s.starts++
	if s.Manager == Supervisor {
		s.wake = time.After(settleTime)
		s.enter(settling)
		return true
	}
	s.say("Started %s.", s.Name)
	s.enter(up)
	return true
}

// refuse is what systemd does at the start limit: the unit fails, with the result of its last run unless that was a good one.
func (s *service) refuse() {
	if s.result == "success" {
		s.result = "start-limit-hit"
	}
	s.say("%s: Start request repeated too quickly.", s.Name)
	s.say("%s: Failed with result '%s'.", s.Name, s.result)
	s.say("Failed to start %s.", s.Name)
	s.enter(failed)
}

// ended takes up the end of the main process.
func (s *service) ended(e exit) {
	lived := time.Since(s.started)
	byHand := s.phase == stopping
	s.child, s.pid, s.wake, s.exit, s.exited = nil, 0, nil, e, time.Now()
	s.result = e.result()
	s.explain(e)
	if byHand {
		s.say("Stopped %s.", s.Name)
		s.rest(s.Manager == Systemd && !e.clean())
		return
	}
	if pause, again := s.next(e, lived); again {
		s.wake = time.After(pause)
		s.enter(waiting)
		return
	}
	s.rest(s.Manager == PM2 || s.Manager == Supervisor && lived < settleTime || s.Manager == Systemd && !e.clean())
}

func (s *service) rest(asFailed bool) {
	if asFailed {
		s.enter(failed)
	} else {
		s.enter(down)
	}
}

// woken goes on when the time of the present phase is over.
func (s *service) woken() {
	s.wake = nil
	switch s.phase {
	case settling:
		s.early = 0
		s.enter(up)
	case stopping:
		s.say("%s: State 'stop-sigterm' timed out. Killing.", s.Name)
		s.child.kill(syscall.SIGKILL)
	case waiting:
		s.restarts++
		s.say("%s: Scheduled restart job, restart counter is at %d.", s.Name, s.restarts)
		s.launch()
	}
}
