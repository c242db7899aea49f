package consul

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rollpin/rollpin/pkg/lock"
)

var apiKey = lock.Key{Environment: "production", Service: "api"}

func holder(id string) lock.Holder {
	return lock.Holder{Deployment: id, Command: "deploy", User: "ann", Host: "build-1", PID: 42, Reason: "the hotfix", Since: time.Now().Add(-time.Minute)}
}

// locksAt are the locks of an agent, without the environment, so that tests can run side by side.
func locksAt(t *testing.T, address string) *Locks {
	t.Helper()
	return &Locks{agent{client: newClient(t, address), address: address, hasToken: true, policy: lockPolicy, instead: "keep locks on this machine"}}
}

func acquire(t *testing.T, l *Locks, id string) *Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), apiKey, holder(id))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lease.Release(context.Background()) })
	return lease.(*Lease)
}

func expectLost(t *testing.T, err error, reason string) {
	t.Helper()
	var lost *lock.LostError
	if !errors.As(err, &lost) || !strings.Contains(err.Error(), reason) {
		t.Errorf("got %v, want that the lock is lost: %s", err, reason)
	}
}

func expectDone(t *testing.T, lease *Lease, limit time.Duration) {
	t.Helper()
	select {
	case <-lease.Done():
	case <-time.After(limit):
		t.Errorf("not noticed within %s", limit)
	}
}

func TestLock(t *testing.T) {
	onAgents(t, false, func(t *testing.T, address string) {
		t.Parallel()
		l := locksAt(t, address)
		if held, err := l.Holder(t.Context(), apiKey); held != nil || err != nil {
			t.Errorf("before the first deployment: %v, %v", held, err)
		}
		lease := acquire(t, l, "d1")
		_, err := l.Acquire(t.Context(), apiKey, holder("d2"))
		var held *lock.HeldError
		if !errors.As(err, &held) || held.Holder.Deployment != "d1" || held.Held < 50*time.Second {
			t.Fatalf("got %v", err)
		}
		if text := err.Error(); !strings.Contains(text, "d1 by ann on build-1: the hotfix") || !strings.Contains(text, "Consul at "+address) {
			t.Errorf("got %s", text)
		}
		other, err := l.Acquire(t.Context(), lock.Key{Environment: "staging", Service: "api"}, holder("d3"))
		if err != nil {
			t.Errorf("another environment: %v", err)
		} else if err := other.Release(t.Context()); err != nil {
			t.Error(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := lease.Release(ended); err != nil {
			t.Errorf("released with a context that has ended: %v", err)
		}
		if lease.Err() != nil {
			t.Errorf("lost by its release: %v", lease.Err())
		}
		acquire(t, l, "d2") // at once: no delay after a release
		sessions, _, err := l.client.Session().List(nil)
		if err != nil || len(sessions) != 1 {
			t.Errorf("sessions left: %v, %v", sessions, err)
		}
	})
}

func TestWaiting(t *testing.T) {
	onAgents(t, false, func(t *testing.T, address string) {
		t.Parallel()
		l := locksAt(t, address)
		first := acquire(t, l, "d1")
		time.AfterFunc(1500*time.Millisecond, func() { _ = first.Release(context.Background()) })
		var told []string
		lease, err := lock.Wait(t.Context(), 20*time.Second, func(ctx context.Context) (lock.Lease, error) {
			return l.Acquire(ctx, apiKey, holder("d2"))
		}, func(e lock.HeldError) { told = append(told, e.Holder.Deployment) })
		if err != nil || !slices.Equal(told, []string{"d1"}) {
			t.Fatalf("got %v, told %v", err, told)
		}
		_ = lease.Release(t.Context())
	})
}

func TestBreak(t *testing.T) {
	onAgents(t, false, func(t *testing.T, address string) {
		t.Parallel()
		l := locksAt(t, address)
		if held, err := l.Break(t.Context(), apiKey, "d1"); held != nil || err != nil {
			t.Errorf("nobody holds it: %v, %v", held, err)
		}
		lease := acquire(t, l, "d1")
		var held *lock.HeldError
		if _, err := l.Break(t.Context(), apiKey, "d0"); !errors.As(err, &held) || held.Holder.Deployment != "d1" {
			t.Errorf("the lock of another deployment than the one that was shown: %v", err)
		}
		broken, err := l.Break(t.Context(), apiKey, "d1")
		if err != nil || broken == nil || broken.Holder.User != "ann" {
			t.Fatalf("got %v, %v", broken, err)
		}
		acquire(t, l, "d2")
		expectLost(t, lease.Save(t.Context(), "d1", []byte("{}")), "somebody broke it")
		expectDone(t, lease, time.Millisecond)
		expectLost(t, lease.Err(), "somebody broke it")
	})
}

// Without a word from anybody, the next renewal finds out.
func TestLossIsNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		take   func(l *Locks, lease *Lease) error
		reason string
	}{
		"session destroyed": {func(l *Locks, lease *Lease) error { return l.destroy(context.Background(), lease.session) }, "its session is gone"},
		"key removed": {func(l *Locks, _ *Lease) error {
			_, err := l.client.KV().Delete(lockPath(apiKey), nil)
			return err
		}, "somebody removed it by hand"},
	} {
		t.Run(name, func(t *testing.T) {
			onAgents(t, false, func(t *testing.T, address string) {
				t.Parallel()
				l := locksAt(t, address)
				lease := acquire(t, l, "d1")
				if err := c.take(l, lease); err != nil {
					t.Fatal(err)
				}
				expectDone(t, lease, 4*time.Second)
				expectLost(t, lease.Err(), c.reason)
			})
		})
	}
}

func TestRecords(t *testing.T) {
	onAgents(t, false, func(t *testing.T, address string) {
		t.Parallel()
		l := locksAt(t, address)
		lease := acquire(t, l, "d1")
		records := func() map[string][]byte {
			t.Helper()
			got, err := l.Records(t.Context(), "production", "api")
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got := records(); len(got) != 0 {
			t.Errorf("before the first deployment: %v", got)
		}
		for id, value := range map[string]string{"d1": `{"a":1}`, "d/2 ü": "{}"} {
			if err := lease.Save(t.Context(), id, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		if err := lease.Save(t.Context(), "d1", []byte(`{"a":2}`)); err != nil {
			t.Fatal(err)
		}
		if got := records(); len(got) != 2 || string(got["d1"]) != `{"a":2}` || string(got["d/2 ü"]) != "{}" {
			t.Errorf("got %s", got)
		}
		if got, err := l.Records(t.Context(), "production", "ap"); err != nil || len(got) != 0 {
			t.Errorf("another service: %v, %v", got, err)
		}
		if err := lease.Save(t.Context(), "big", make([]byte, MaxRecord)); err != nil {
			t.Errorf("the largest record: %v", err)
		}
		if err := lease.Save(t.Context(), "big", make([]byte, MaxRecord+1)); err == nil || !strings.Contains(err.Error(), "389121 bytes") {
			t.Errorf("got %v", err)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		expectLost(t, lease.Save(t.Context(), "late", []byte("{}")), "")
		if _, late := records()["late"]; late {
			t.Error("written after the lock was given back")
		}
	})
}

func TestOldRecordsGo(t *testing.T) {
	onAgents(t, false, func(t *testing.T, address string) {
		t.Parallel()
		l := locksAt(t, address)
		for i := range 230 {
			if _, err := l.client.KV().Put(&api.KVPair{Key: fmt.Sprintf("%s2025-%03d", recordsPath(apiKey), i), Value: []byte("{}")}, nil); err != nil {
				t.Fatal(err)
			}
		}
		lease := acquire(t, l, "2024-late") // a clock that is behind
		if err := lease.Save(t.Context(), "2024-late", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		got, err := l.Records(t.Context(), "production", "api")
		ids := slices.Sorted(maps.Keys(got))
		if err != nil || len(ids) != 101 || ids[0] != "2024-late" || ids[1] != "2025-130" || ids[100] != "2025-229" {
			t.Errorf("got %v, %v", ids, err)
		}
	})
}

// A deployer that is killed, or that sleeps, leaves a lock that is free within 30 s, and not before the deployer itself would have given it up.
func TestLockOfTheDead(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 30 s")
	}
	t.Parallel()
	l := locksAt(t, startAgent(t, false))
	lease := acquire(t, l, "d1")
	began := time.Now()
	lease.keeper.Stop()
	var earlier time.Time
	_, err := lock.Wait(t.Context(), 40*time.Second, func(ctx context.Context) (lock.Lease, error) {
		earlier = time.Now()
		return l.Acquire(ctx, apiKey, holder("d2"))
	}, func(lock.HeldError) {})
	passed := earlier.Sub(began)
	if err != nil || passed < term().Limit || passed > 2*sessionTTL+3*time.Second {
		t.Errorf("free after %s: %v", passed, err)
	}
	expectLost(t, lease.Save(t.Context(), "d1", []byte("{}")), "")
}

// Locks may be in another datacenter than the agent's, where the agent's node is unknown.
func TestLockElsewhere(t *testing.T) {
	t.Parallel()
	wan := freePorts(t, 1)[0]
	there := startAgent(t, false, "-datacenter", "eu", "-serf-wan-port", wan)
	here := startAgent(t, false, "-retry-join-wan", "127.0.0.1:"+wan, "-node", "elsewhere")
	client, err := api.NewClient(&api.Config{Address: here, Datacenter: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if _, _, err := client.Catalog().Nodes(nil); err == nil {
			break
		}
	}
	acquire(t, &Locks{agent{client: client, address: here, datacenter: "eu"}}, "d1")
	if held, err := locksAt(t, there).Holder(t.Context(), apiKey); err != nil || held == nil || held.Holder.Deployment != "d1" {
		t.Errorf("got %v, %v", held, err)
	}
}

func TestLockACLs(t *testing.T) {
	address := startAgent(t, true)
	client := newClient(t, address)
	withPolicy := func(name, rules string) *Locks {
		t.Helper()
		if _, _, err := client.ACL().PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil); err != nil {
			t.Fatal(err)
		}
		token, _, err := client.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{Name: name}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		scrub(t, address, token.SecretID)
		l, err := NewLocks("")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	const keys, sessions = `key_prefix "rollpin/" { policy = "write" }`, `session_prefix "" { policy = "write" }`
	all := withPolicy("all", lockPolicy)
	lease := acquire(t, all, "d1")
	if err := lease.Save(t.Context(), "d1", []byte("{}")); err != nil {
		t.Errorf("the policy is not enough: %v", err)
	}
	if _, err := all.Records(t.Context(), "production", "api"); err != nil {
		t.Errorf("the policy is not enough: %v", err)
	}
	_, err := withPolicy("keys", keys).Acquire(t.Context(), lock.Key{Environment: "production", Service: "web"}, holder("d2"))
	expectError(t, err, "making a session for the lock of web on production: permission denied", "the token needs: "+lockPolicy)
	_, err = withPolicy("sessions", sessions).Acquire(t.Context(), apiKey, holder("d2"))
	expectError(t, err, "permission denied", "lock: file")
	reader := withPolicy("reader", sessions+` key_prefix "rollpin/" { policy = "read" }`)
	_, err = reader.Acquire(t.Context(), lock.Key{Environment: "production", Service: "web"}, holder("d2"))
	expectError(t, err, "taking the lock of web on production: permission denied", lockPolicy)
	if sessions, _, err := client.Session().List(nil); err != nil || len(sessions) != 1 {
		t.Errorf("sessions left: %v, %v", sessions, err)
	}
	asReader := &Lease{locks: reader, key: apiKey, session: lease.session, keeper: lease.keeper}
	expectError(t, asReader.Save(t.Context(), "d1", []byte("{}")), "permission denied", lockPolicy)
	if lease.Err() != nil {
		t.Errorf("a write that is not allowed cost the lock: %v", lease.Err())
	}
	scrub(t, address, "")
	anonymous, err := NewLocks("")
	if err != nil {
		t.Fatal(err)
	}
	_, err = anonymous.Holder(t.Context(), apiKey)
	expectError(t, err, "permission denied", "set CONSUL_HTTP_TOKEN to a token that has: "+lockPolicy)
}

func TestLocksUnreachable(t *testing.T) {
	scrub(t, "127.0.0.1:"+freePorts(t, 1)[0], "")
	l, err := NewLocks("")
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Acquire(t.Context(), apiKey, holder("d1"))
	expectError(t, err, "looking at the lock of api on production: dial tcp", "lock: file")
}

// An election of more than ten seconds costs neither the lock nor a record that is being saved; a Consul that is gone for good costs both, in time.
func TestLockWithoutLeader(t *testing.T) {
	for name, silent := range map[string]bool{"told": false, "silent": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				consul := &fake{}
				l := &Locks{agent{client: inMemory(t, consul), address: "consul", policy: lockPolicy}}
				lease := acquire(t, l, "d1")
				leader := func(there bool) {
					consul.mu.Lock()
					defer consul.mu.Unlock()
					consul.leaderless, consul.silent = "No cluster leader", silent && !there
					if there {
						consul.leaderless = ""
					}
				}
				time.Sleep(10 * time.Second)
				leader(false)
				time.AfterFunc(12*time.Second, func() { leader(true) })
				if err := lease.Save(t.Context(), "d1", []byte("{}")); err != nil || lease.Err() != nil {
					t.Fatalf("got %v, %v", err, lease.Err())
				}
				time.Sleep(10 * time.Second)
				leader(false)
				began := time.Now()
				expectLost(t, lease.Save(t.Context(), "d1", []byte("{}")), "it was not renewed for 25s")
				if took := time.Since(began); took > 30*time.Second {
					t.Errorf("the loss was told after %s", took)
				}
				expectDone(t, lease, time.Millisecond)
			})
		})
	}
}
