package lock

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var term = Term{Every: 1500 * time.Millisecond, Try: 5 * time.Second, Limit: 25 * time.Second}

// outage makes renewals fail, or hang, for a time.
type outage struct {
	began    time.Time
	from, to time.Duration
	hang     bool
}

func (o outage) renew(ctx context.Context) error {
	if now := time.Since(o.began); now < o.from || now >= o.to {
		return nil
	}
	if o.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return errors.New("no leader")
}

func TestKeeper(t *testing.T) {
	for name, c := range map[string]struct {
		from, to time.Duration
		hang     bool
		// lost is when the lock is lost; 0 for never.
		lost time.Duration
	}{
		"one request fails":                {20 * time.Second, 21 * time.Second, false, 0},
		"a leader is elected":              {20 * time.Second, 31 * time.Second, false, 0},
		"a leader is elected, in silence":  {20 * time.Second, 31 * time.Second, true, 0},
		"just in time":                     {20 * time.Second, 40 * time.Second, false, 0},
		"Consul is gone for good":          {20 * time.Second, time.Hour, false, 45 * time.Second},
		"Consul is silent for good":        {20 * time.Second, time.Hour, true, 45 * time.Second},
		"Consul is gone before it renewed": {0, time.Hour, true, 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := outage{time.Now(), c.from, c.to, c.hang}
				k := Keep(Key{"production", "api"}, "Consul", term, time.Now(), o.renew)
				defer k.Stop()
				select {
				case <-k.Done():
				case <-time.After(3 * time.Minute):
				}
				passed := time.Since(o.began)
				var lost *LostError
				if c.lost == 0 {
					if err := k.Err(); err != nil || passed < 3*time.Minute {
						t.Errorf("got %v after %s", err, passed)
					}
				} else if !errors.As(k.Err(), &lost) || lost.Reason != "it was not renewed for 25s" || lost.Cause == nil {
					t.Errorf("got %v", k.Err())
				} else if passed > c.lost || passed < c.lost-2*term.Every {
					t.Errorf("lost after %s, want %s", passed, c.lost)
				}
			})
		})
	}
}

// What Consul says of the lock ends it at once; the first reason stays.
func TestKeeperIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := Keep(Key{"production", "api"}, "Consul", term, time.Now(), func(context.Context) error { return &LostError{Reason: "it was broken"} })
		defer k.Stop()
		<-k.Done()
		k.Lose(&LostError{Reason: "later"})
		if err := k.Err(); err == nil || !strings.Contains(err.Error(), "it was broken") {
			t.Errorf("got %v", err)
		}
	})
}

// A process that slept asks before it goes on, when no timer has had its turn yet.
func TestKeeperAsksTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := Keep(Key{"production", "api"}, "Consul", term, time.Now().Add(-26*time.Second), func(context.Context) error { return nil })
		defer k.Stop()
		if k.Err() == nil {
			t.Error("a lock that was renewed 26 s ago counts as held")
		}
		select {
		case <-k.Done():
		default:
			t.Error("Done is open although Err knows of the loss")
		}
	})
}

// The steady clock stands still while the machine sleeps; the calendar's does not.
func TestKeeperCountsSleep(t *testing.T) {
	k := &Keeper{term: term, done: make(chan struct{}), renewed: moment{time.Now(), time.Now().Add(-time.Hour).Round(0)}}
	if err := k.Err(); err == nil || !strings.Contains(err.Error(), "it was not renewed for 1h0m0s") {
		t.Errorf("got %v", err)
	}
}

func TestKeeperStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := Keep(Key{"production", "api"}, "Consul", term, time.Now(), outage{began: time.Now(), to: time.Hour, hang: true}.renew)
		time.Sleep(3 * time.Second) // a renewal hangs
		began := time.Now()
		k.Stop()
		if time.Since(began) > 0 {
			t.Errorf("took %s", time.Since(began))
		}
		time.Sleep(time.Hour)
		if k.Err() != nil {
			t.Errorf("lost after it was given back: %v", k.Err())
		}
	})
}
