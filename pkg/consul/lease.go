package consul

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/lock"
)

// Lease is a lock of Locks that is held. It is renewed until Release.
type Lease struct {
	locks   *Locks
	key     lock.Key
	session string
	keeper  *lock.Keeper

	// saving lets one record be written after the other; pruned says that old ones are gone.
	saving sync.Mutex
	pruned bool
}

func (l *Locks) lease(key lock.Key, session string, granted time.Time) *Lease {
	lease := &Lease{locks: l, key: key, session: session}
	lease.keeper = lock.Keep(key, l.String(), term(), granted, lease.renew)
	return lease
}

// Done is closed when the lock is lost.
func (l *Lease) Done() <-chan struct{} { return l.keeper.Done() }

// Err is the *lock.LostError that says why the lock is lost; nil while it is held.
func (l *Lease) Err() error { return l.keeper.Err() }

// Release gives the lock back within a second. After an error it frees itself within 30 s.
func (l *Lease) Release(ctx context.Context) error {
	l.keeper.Stop()
	if err := l.locks.destroy(ctx, l.session); err != nil {
		return fmt.Errorf("%w; it frees itself within %s", err, 2*sessionTTL)
	}
	return nil
}

// renew renews the session, and looks whether the lock is still its own: people also remove locks by hand.
func (l *Lease) renew(ctx context.Context) error {
	entry, _, err := l.locks.client.Session().Renew(l.session, writing(ctx))
	if err != nil {
		return l.locks.failed(context.Background(), "renewing the lock", err, term().Try)
	}
	if entry == nil {
		return l.lost("its session is gone: somebody broke it by rollpin unlock, or Consul dropped it")
	}
	pair, _, err := l.locks.client.KV().Get(lockPath(l.key), reading(ctx))
	switch {
	case err != nil:
		return l.locks.failed(context.Background(), "looking at the lock", err, term().Try)
	case pair == nil || pair.Session != l.session:
		return l.lost("somebody removed it by hand")
	}
	return nil
}

func (l *Lease) lost(reason string) *lock.LostError {
	return &lock.LostError{Key: l.key, Where: l.locks.String(), Reason: reason}
}
