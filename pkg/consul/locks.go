package consul

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rollpin/rollpin/pkg/lock"
)

// lockPolicy is the smallest ACL policy for locks and the records of deployments.
const lockPolicy = `session_prefix "" { policy = "write" } key_prefix "rollpin/" { policy = "write" }`

// sessionTTL is the time to live of a lock's session. Consul ends a session after twice that without a renewal: a deployer that is killed
// leaves a lock that is free 30 s later.
const sessionTTL = 15 * time.Second

// term is how a lock is kept: given up 5 s before anybody else can have it, and not given up while servers elect a leader.
func term() lock.Term {
	return lock.Term{Every: sessionTTL / 10, Try: 5 * time.Second, Limit: 25 * time.Second}
}

// Locks are locks in Consul's key-value store, under rollpin/ENVIRONMENT/SERVICE/lock, with the holder as JSON in it. A lock belongs to a
// session with a time to live and no checks, so that it outlives a node or an agent that is unwell, and is gone with its session.
type Locks struct{ agent }

// NewLocks returns the locks of a datacenter, empty for the agent's own. Address and token come from the environment, as in New. Nothing is
// asked yet.
func NewLocks(datacenter string) (*Locks, error) {
	asked, err := newAgent(datacenter, lockPolicy, "keep the lock on this machine: --local-lock, or for good lock: file")
	if err != nil {
		return nil, err
	}
	return &Locks{asked}, nil
}

// Acquire takes the lock or says at once, by a *lock.HeldError, who holds it. The lease is a *Lease.
func (l *Locks) Acquire(ctx context.Context, key lock.Key, holder lock.Holder) (lock.Lease, error) {
	value, err := json.Marshal(holder)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		held, err := l.Holder(ctx, key)
		if err != nil {
			return nil, err
		}
		if held != nil {
			return nil, held
		}
		lease, err := l.take(ctx, key, value)
		if lease != nil || err != nil {
			return lease, err
		}
		if try == 3 { // others come and go
			return nil, &lock.HeldError{Key: key, Where: l.String()}
		}
	}
}

// take tries to take a lock that seemed free. Where somebody else was quicker there is neither a lease nor an error.
func (l *Locks) take(ctx context.Context, key lock.Key, value []byte) (lock.Lease, error) {
	granted := time.Now()
	session, err := l.createSession(ctx, key)
	if err != nil {
		return nil, err
	}
	taken, err := ask(ctx, l.agent, "taking the lock of "+key.String(), patience, func(ctx context.Context) (bool, error) {
		taken, _, err := l.client.KV().Acquire(&api.KVPair{Key: lockPath(key), Value: value, Session: session}, writing(ctx))
		return taken, err
	})
	if err != nil || !taken {
		// What could not be taken may have been taken all the same, if only the answer was lost.
		_ = l.destroy(ctx, session)
		return nil, err
	}
	return l.lease(key, session, granted), nil
}

// createSession makes the session that a lock belongs to, on the agent's node. A session of another datacenter needs a node there: one of
// its servers.
func (l *Locks) createSession(ctx context.Context, key lock.Key) (string, error) {
	entry := api.SessionEntry{Name: "rollpin: " + key.String(), TTL: sessionTTL.String(), Behavior: api.SessionBehaviorDelete, LockDelay: time.Millisecond}
	create := func(ctx context.Context) (string, error) {
		id, _, err := l.client.Session().CreateNoChecks(&entry, writing(ctx))
		if err == nil || l.datacenter == "" || !strings.Contains(err.Error(), "Missing node registration") {
			return id, err
		}
		servers, _, err := l.client.Catalog().Service("consul", "", reading(ctx))
		if err == nil && len(servers) == 0 {
			err = fmt.Errorf(`the token may not see the servers of datacenter %s: service "consul" { policy = "read" } is needed too`, l.datacenter)
		}
		if err != nil {
			return "", err
		}
		entry.Node = servers[0].Node
		id, _, err = l.client.Session().CreateNoChecks(&entry, writing(ctx))
		return id, err
	}
	return ask(ctx, l.agent, "making a session for the lock of "+key.String(), patience, create)
}

// destroy ends a session and frees its lock, within a second, even if ctx has ended.
func (l *Locks) destroy(ctx context.Context, session string) error {
	_, err := ask(context.WithoutCancel(ctx), l.agent, "giving the lock back", time.Second, func(ctx context.Context) (struct{}, error) {
		_, err := l.client.Session().Destroy(session, writing(ctx))
		return struct{}{}, err
	})
	return err
}

// Holder says who holds the lock; nil where nobody does.
func (l *Locks) Holder(ctx context.Context, key lock.Key) (*lock.HeldError, error) {
	pair, err := l.look(ctx, key)
	if err != nil {
		return nil, err
	}
	return l.held(key, pair), nil
}

// Break takes the lock from the deployment that holds it, and says who that was: nil where nobody held it any more. If another deployment
// holds it by now, that one is left alone and named by a *lock.HeldError. Whoever lost the lock can write no more records, notices within two
// seconds, and starts no further node.
func (l *Locks) Break(ctx context.Context, key lock.Key, deployment string) (*lock.HeldError, error) {
	pair, err := l.look(ctx, key)
	if err != nil {
		return nil, err
	}
	held := l.held(key, pair)
	switch {
	case held == nil:
		return nil, nil
	case held.Holder.Deployment != deployment:
		return nil, held
	}
	_, err = ask(ctx, l.agent, "breaking the lock of "+key.String(), patience, func(ctx context.Context) (struct{}, error) {
		_, err := l.client.Session().Destroy(pair.Session, writing(ctx))
		return struct{}{}, err
	})
	return held, err
}

func (l *Locks) look(ctx context.Context, key lock.Key) (*api.KVPair, error) {
	return ask(ctx, l.agent, "looking at the lock of "+key.String(), patience, func(ctx context.Context) (*api.KVPair, error) {
		pair, _, err := l.client.KV().Get(lockPath(key), reading(ctx))
		return pair, err
	})
}

// held reads who holds a lock; nil for a key that is not there, or that no session has locked.
func (l *Locks) held(key lock.Key, pair *api.KVPair) *lock.HeldError {
	if pair == nil || pair.Session == "" {
		return nil
	}
	e := &lock.HeldError{Key: key, Where: l.String()}
	if json.Unmarshal(pair.Value, &e.Holder) != nil {
		e.Holder = lock.Holder{}
	} else {
		e.Held = max(0, time.Since(e.Holder.Since))
	}
	return e
}

func lockPath(key lock.Key) string { return "rollpin/" + key.Path() + "/lock" }

// ask makes a request with a limit and explains its error.
func ask[T any](ctx context.Context, a agent, doing string, limit time.Duration, request func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer, err := request(bounded)
	if err != nil {
		var none T
		return none, a.failed(ctx, doing, err, limit)
	}
	return answer, nil
}

func writing(ctx context.Context) *api.WriteOptions { return new(api.WriteOptions).WithContext(ctx) }

// reading asks the leader, who makes sure that he still is.
func reading(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx)
}
