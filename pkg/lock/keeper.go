package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Term is how a lock that runs out is kept.
type Term struct {
	// Every is the time between two renewals; Try bounds one of them.
	Every, Try time.Duration
	// Limit is how long after the beginning of the last renewal that succeeded the lock counts as lost: less than the time after which somebody
	// else can have it.
	Limit time.Duration
}

// Keeper renews a lock that runs out, until Stop or until it is lost. One renewal that fails is tried again; what counts is Limit.
type Keeper struct {
	key     Key
	where   string
	term    Term
	renew   func(context.Context) error
	stop    context.CancelFunc
	stopped chan struct{}
	done    chan struct{}

	mu sync.Mutex
	// renewed is when the last renewal that succeeded began.
	renewed moment
	// failed is the last renewal's error, nil after a success; lost is why the lock is lost.
	failed, lost error
	// over says that nobody is interested any more.
	over bool
}

// Keep starts to keep a lock that was asked for at the time granted. An error of renew that is a *LostError ends it at once, any other is
// tried again. The caller calls Stop.
func Keep(key Key, where string, term Term, granted time.Time, renew func(context.Context) error) *Keeper {
	ctx, stop := context.WithCancel(context.Background())
	k := &Keeper{key: key, where: where, term: term, renew: renew, stop: stop, stopped: make(chan struct{}), done: make(chan struct{}), renewed: at(granted)}
	go k.run(ctx)
	return k
}

// Done is closed when the lock is lost.
func (k *Keeper) Done() <-chan struct{} { return k.done }

// Err is the *LostError that says why the lock is lost, by the clock of this moment; nil while it is held.
func (k *Keeper) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if passed := k.renewed.passed(); k.lost == nil && passed >= k.term.Limit {
		k.lose(&LostError{Key: k.key, Where: k.where, Reason: fmt.Sprintf("it was not renewed for %s", passed.Round(time.Second)), Cause: k.failed})
	}
	return k.lost
}

// Lose says that the lock is lost, where something else than a renewal has found out. The first reason stays.
func (k *Keeper) Lose(why *LostError) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lose(why)
}

func (k *Keeper) lose(why *LostError) {
	if k.lost == nil && !k.over {
		k.lost = why
		close(k.done)
	}
}

// Stop ends the renewals, one that is under way included. A lock that is not lost by then will not be.
func (k *Keeper) Stop() {
	k.mu.Lock()
	k.over = true
	k.mu.Unlock()
	k.stop()
	<-k.stopped
}

func (k *Keeper) run(ctx context.Context) {
	defer close(k.stopped)
	next := time.NewTicker(k.term.Every)
	defer next.Stop()
	// A renewal may hang beyond its own bound; what is lost by then is lost all the same.
	watch := time.AfterFunc(k.left(), func() { _ = k.Err() })
	defer watch.Stop()
	for {
		select {
		case <-next.C:
		case <-k.done:
			return
		case <-ctx.Done():
			return
		}
		if k.Err() != nil {
			return
		}
		k.try(ctx)
		watch.Reset(k.left())
	}
}

func (k *Keeper) try(ctx context.Context) {
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, k.term.Try)
	defer cancel()
	err := k.renew(bounded)
	k.mu.Lock()
	defer k.mu.Unlock()
	var lost *LostError
	switch {
	case ctx.Err() != nil: // by Stop
	case errors.As(err, &lost):
		k.lose(lost)
	case err != nil:
		k.failed = err
	default:
		k.renewed, k.failed = at(began), nil
	}
}

// left is how long the lock is held for sure.
func (k *Keeper) left() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.term.Limit - k.renewed.passed()
}

// moment is a time by two clocks: the steady one, which nobody sets but which stands still while a machine sleeps, and the calendar's.
type moment struct{ steady, calendar time.Time }

func at(t time.Time) moment { return moment{t, t.Round(0)} }

// passed is the time since m by the clock that says more: locks run out while the machine of their holder sleeps.
func (m moment) passed() time.Duration {
	now := at(time.Now())
	return max(now.steady.Sub(m.steady), now.calendar.Sub(m.calendar))
}
