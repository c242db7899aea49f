package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

type noLease struct{ Lease }

// queue answers tries as the deployments before ours come and go: each has the lock until its time.
type queue struct {
	began time.Time
	until []time.Duration
	// broken says when tries fail for another reason.
	brokenFrom, brokenTo time.Duration
	tries                int
}

func (q *queue) acquire(context.Context) (Lease, error) {
	q.tries++
	now := time.Since(q.began)
	if now >= q.brokenFrom && now < q.brokenTo {
		return nil, errors.New("no leader")
	}
	for i, until := range q.until {
		if now < until {
			// Each answer is decoded anew, with a time zone of its own.
			since := q.began.In(time.FixedZone("", 3600))
			return nil, &HeldError{Key: Key{"production", "api"}, Holder: Holder{Deployment: fmt.Sprint(i), Since: since}}
		}
	}
	return noLease{}, nil
}

func TestWait(t *testing.T) {
	for name, c := range map[string]struct {
		queue  queue
		wait   time.Duration
		told   []string
		failed string
		took   time.Duration
	}{
		"free":                       {queue{}, 0, nil, "", 0},
		"held, no wait":              {queue{until: []time.Duration{time.Hour}}, 0, nil, "held", 0},
		"free in time":               {queue{until: []time.Duration{10 * time.Second}}, time.Minute, []string{"0"}, "", 10 * time.Second},
		"another comes before us":    {queue{until: []time.Duration{10 * time.Second, 20 * time.Second}}, time.Minute, []string{"0", "1"}, "", 20 * time.Second},
		"too long":                   {queue{until: []time.Duration{time.Hour}}, time.Minute, []string{"0"}, "held", time.Minute},
		"free in the last moment":    {queue{until: []time.Duration{time.Minute}}, time.Minute, []string{"0"}, "", time.Minute},
		"broken from the start":      {queue{brokenTo: time.Hour}, time.Minute, nil, "other", 0},
		"an election while we wait":  {queue{until: []time.Duration{30 * time.Second}, brokenFrom: 5 * time.Second, brokenTo: 20 * time.Second}, time.Minute, []string{"0"}, "", 30 * time.Second},
		"Consul dies while we wait":  {queue{until: []time.Duration{time.Hour}, brokenFrom: 5 * time.Second, brokenTo: time.Hour}, time.Hour, []string{"0"}, "other", 34 * time.Second},
		"time is up while it failed": {queue{until: []time.Duration{time.Hour}, brokenFrom: 5 * time.Second, brokenTo: time.Hour}, 10 * time.Second, []string{"0"}, "other", 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.queue.began = time.Now()
				var told []string
				lease, err := Wait(t.Context(), c.wait, c.queue.acquire, func(e HeldError) { told = append(told, e.Holder.Deployment) })
				var held *HeldError
				failed := ""
				if errors.As(err, &held) {
					failed = "held"
				} else if err != nil {
					failed = "other"
				}
				took := time.Since(c.queue.began)
				if failed != c.failed || (lease == nil) != (err != nil) || !slices.Equal(told, c.told) || took < c.took || took > c.took+2*time.Second {
					t.Errorf("got %v, %v after %s, told %v", lease, err, took, told)
				}
				if limit := int(took/time.Second) + 2; c.queue.tries > limit {
					t.Errorf("%d tries in %s", c.queue.tries, took)
				}
			})
		})
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := errors.New("SIGTERM")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10500*time.Millisecond, func() { cancel(stop) })
		q := queue{began: time.Now(), until: []time.Duration{time.Hour}}
		if _, err := Wait(ctx, time.Hour, q.acquire, func(HeldError) {}); !errors.Is(err, stop) || time.Since(q.began) > 10500*time.Millisecond {
			t.Errorf("got %v after %s", err, time.Since(q.began))
		}
	})
}
