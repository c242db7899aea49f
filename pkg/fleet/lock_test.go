package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

const lockText = "acme-api==1.1.0 --hash=sha256:1111111111111111111111111111111111111111111111111111111111111111\n"

// holders are nodes web-1 to web-6 of which the first three hold the release; how web-N answers is up to answer.
func holders(t *testing.T, answer func(ctx context.Context, name string) (string, error)) (*Fleet, map[string]rollout.Facts) {
	t.Helper()
	manager, err := pkgmgr.For("pip")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := manager.ParseLock(lockText)
	if err != nil {
		t.Fatal(err)
	}
	f := &Fleet{cache: bundle.Open(t.TempDir(), 0), manager: manager, nodes: map[string]*node{}, locks: map[lockKey]*lockRead{}}
	found := map[string]rollout.Facts{}
	for i := range 6 {
		name := fmt.Sprintf("web-%d", i+1)
		facts := rollout.Facts{Platform: "linux"}
		if i < 3 {
			facts.Records = map[string]release.Record{id: {ID: id, Platform: "linux", Lock: lock.Digest()}}
		}
		found[name] = facts
		f.order = append(f.order, name)
		conn := fakeConn{run: func(ctx context.Context, _ shell.Script) (shell.Result, error) {
			text, err := answer(ctx, name)
			return shell.Result{Stdout: text}, err
		}}
		f.nodes[name] = &node{Node: inventory.Node{Name: name}, facts: facts, conn: conn}
	}
	return f, found
}

func TestANodeThatHangsHoldsNoLockUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int32
		f, found := holders(t, func(ctx context.Context, name string) (string, error) {
			reads.Add(1)
			if name != "web-3" {
				<-ctx.Done()
				return "", ctx.Err()
			}
			time.Sleep(time.Second)
			return "::lock " + lockText, nil
		})
		began := time.Now()
		var waiting sync.WaitGroup
		for _, name := range f.order[3:] {
			waiting.Go(func() {
				if lock, err := f.lockFor(t.Context(), f.node(name), id, found); err != nil || lock.Text != lockText {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		waiting.Wait()
		if took := time.Since(began); took != time.Second || reads.Load() != 3 {
			t.Errorf("three nodes had their lock after %s and %d reads", took, reads.Load())
		}
	})
}

func TestALockThatCannotBeReadIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		f, found := holders(t, func(context.Context, string) (string, error) {
			if broken {
				return "::lock " + strings.Replace(lockText, "1.1.0", "1.1.1", 1), nil
			}
			return "::lock " + lockText, nil
		})
		if _, err := f.lockFor(t.Context(), f.node("web-4"), id, found); err == nil || !strings.Contains(err.Error(), "was changed") {
			t.Errorf("a changed lock: %v", err)
		}
		broken = false
		if _, err := f.lockFor(t.Context(), f.node("web-5"), id, found); err != nil {
			t.Error(err)
		}
		if _, err := f.lockFor(t.Context(), f.node("web-5"), "9.9.9-99999999", found); err == nil || !strings.Contains(err.Error(), "no node of platform linux holds") {
			t.Errorf("a release that nobody holds: %v", err)
		}
	})
}

func TestWaitingForALockEndsWithTheWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, found := holders(t, func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		go func() { _, _ = f.lockFor(t.Context(), f.node("web-4"), id, found) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := f.lockFor(ctx, f.node("web-5"), id, found); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}
