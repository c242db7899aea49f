//go:build unix

package fleettest

import "time"

// settleTime is how long a process must live to count as up: supervisor's startsecs and pm2's min_uptime.
const settleTime = time.Second

// next says what the manager does after the process ended by itself: start it again after a pause, or leave it.
func (s *service) next(e exit, lived time.Duration) (pause time.Duration, again bool) {
	if lived < settleTime {
		s.early++
	} else {
		s.early = 0
	}
	switch s.Manager {
	case Supervisor: // startretries=3 with a growing pause, then autorestart=unexpected
		if s.early > 0 {
			return time.Duration(s.early) * time.Second, s.early <= 3
		}
		return 0, e.signal != 0 || e.status != 0
	case Runit: // runsv starts it again for ever, once a second
		return max(0, time.Second-lived), true
	case PM2: // 16 unstable restarts make it "errored"
		return 100 * time.Millisecond, s.early < 16
	}
	return s.RestartDelay, s.Restart == "always" || s.Restart == "on-failure" && !e.clean()
}

// startLimit is systemd's StartLimitBurst=5 in StartLimitIntervalSec=10s.
type startLimit struct {
	begin time.Time
	count int
}

func (l *startLimit) allow(now time.Time) bool {
	if l.begin.IsZero() || now.Sub(l.begin) >= 10*time.Second {
		*l = startLimit{begin: now}
	}
	l.count++
	return l.count <= 5
}
