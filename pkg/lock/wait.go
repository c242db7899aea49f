package lock

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// poll is the least time between two tries; some jitter on top keeps many that wait from asking at once.
	poll, jitter = time.Second, 250 * time.Millisecond
	// patience is how long tries of who waits already may fail for another reason than that the lock is held, such as servers without a leader.
	patience = 30 * time.Second
)

// Wait tries to get a lock until it is free, for at most wait. It tells waiting who holds it, the first time and whenever that changes. The
// error is that of the last try, a *HeldError where the time is up; or the cause of ctx's end. Who waits longest is not served first.
func Wait(ctx context.Context, wait time.Duration, acquire func(context.Context) (Lease, error), waiting func(HeldError)) (Lease, error) {
	deadline := time.Now().Add(wait)
	var told *HeldError
	var heard time.Time
	for {
		lease, err := acquire(ctx)
		if err == nil || ctx.Err() != nil {
			return lease, err
		}
		var held *HeldError
		isHeld := errors.As(err, &held)
		left := time.Until(deadline)
		if left <= 0 || !isHeld && (told == nil || time.Since(heard) > patience) {
			return nil, err
		}
		if isHeld {
			heard = time.Now()
			if told == nil || !same(told.Holder, held.Holder) {
				told = held
				waiting(*held)
			}
		}
		select {
		case <-time.After(min(left, poll+rand.N(jitter))):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// same compares holders, of which one may have come from another file, with its own idea of the time zone.
func same(a, b Holder) bool {
	sameTime := a.Since.Equal(b.Since)
	a.Since, b.Since = time.Time{}, time.Time{}
	return sameTime && a == b
}
