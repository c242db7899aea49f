package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/shell"
)

func usual(checks ...config.Check) config.Health {
	return config.Health{Checks: checks, Passes: 3, Interval: time.Second, Timeout: time.Minute}
}

func TestNoChecksAreHealthyAtOnce(t *testing.T) {
	if err := Wait(t.Context(), nil, config.Health{}, Want{}); err != nil {
		t.Error(err)
	}
}

func TestWaitWantsPassesInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		round := 0
		n := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			round++
			if round == 1 || round == 4 { // bad good good bad good good good
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		began := time.Now()
		if err := Wait(t.Context(), n, usual(httpCheck(config.Expect{})), Want{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); round != 7 || took != 6*time.Second {
			t.Errorf("%d rounds in %s, want 7 in 6s", round, took)
		}
		if len(n.dials) != 7 || n.dials[0] != "tcp 127.0.0.1:8080" {
			t.Errorf("a round used an old connection: %v", n.dials)
		}
	})
}

func TestWaitEndsAtTheDeadlineWithTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "no\x1b[31m database\u202e\n\tat line 1\n")
		})
		began := time.Now()
		err := Wait(t.Context(), n, usual(httpCheck(config.Expect{})), Want{})
		var unhealthy *UnhealthyError
		if !errors.As(err, &unhealthy) || time.Since(began) != time.Minute || unhealthy.Elapsed != time.Minute {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
		want := "not healthy within 1m0s: http://127.0.0.1:8080/healthz answered 500 Internal Server Error, want 200 to 299: " +
			"no [31m database at line 1 (0 of 3 passes)"
		if err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	})
}

func TestWaitNamesOnlyTheFailingChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, func(http.ResponseWriter, *http.Request) {})
		n.run = func(context.Context, shell.Script) (shell.Result, error) {
			return shell.Result{}, &shell.ExitError{Status: 7, Result: shell.Result{Stdout: "::said queue is full\n"}}
		}
		err := Wait(t.Context(), n, usual(httpCheck(config.Expect{}), config.Check{Kind: "command", Target: "check-queue"}), Want{})
		if want := "not healthy within 1m0s: command check-queue ended with status 7: queue is full (0 of 3 passes)"; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	})
}

func TestWaitTriesAgainWhileNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		n := serve(t, func(http.ResponseWriter, *http.Request) {})
		listening := n.dial
		n.dial = func(ctx context.Context, address string) (net.Conn, error) {
			if time.Since(began) < 10*time.Second {
				return nil, errRefused
			}
			return listening(ctx, address)
		}
		if err := Wait(t.Context(), n, usual(httpCheck(config.Expect{})), Want{}); err != nil || time.Since(began) != 12*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestWaitGivesASilentServiceFiveSecondsARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		err := Wait(t.Context(), n, usual(httpCheck(config.Expect{})), Want{})
		if err == nil || !strings.Contains(err.Error(), "healthz no answer within 5s (0 of 3 passes)") || len(n.dials) < 10 {
			t.Errorf("%v after %d rounds", err, len(n.dials))
		}
	})
}

func TestOneSlowCheckDoesNotHoldUpAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(2 * time.Second) })
		began := time.Now()
		h := usual(httpCheck(config.Expect{}), httpCheck(config.Expect{}))
		h.Passes = 1
		if err := Wait(t.Context(), n, h, Want{}); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestTooFewRoundsAreToldAsSuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, func(http.ResponseWriter, *http.Request) {})
		h := usual(httpCheck(config.Expect{}))
		h.Timeout = 1500 * time.Millisecond
		err := Wait(t.Context(), n, h, Want{})
		if err == nil || err.Error() != "not healthy within 1.5s: too few rounds before the deadline (2 of 3 passes)" {
			t.Error(err)
		}
	})
}

func TestALateStartIsToldAsSuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		n := serve(t, func(http.ResponseWriter, *http.Request) {})
		listening := n.dial
		n.dial = func(ctx context.Context, address string) (net.Conn, error) {
			if time.Since(began) < 58500*time.Millisecond {
				return nil, errRefused
			}
			return listening(ctx, address)
		}
		h := usual(httpCheck(config.Expect{}))
		h.Timeout = 59500 * time.Millisecond
		err := Wait(t.Context(), n, h, Want{})
		if err == nil || !strings.HasSuffix(err.Error(), "Connection refused; then it passed, too late (1 of 3 passes)") {
			t.Error(err)
		}
	})
}

func TestForbiddenForwardingComesOutAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, kind := range []config.Check{httpCheck(config.Expect{}), {Kind: "tcp", Target: "127.0.0.1:8080"}} {
			n := &fakeNode{dial: func(context.Context, string) (net.Conn, error) {
				return nil, fmt.Errorf("dialling: %w", &fixable{"forbidden"})
			}}
			began := time.Now()
			err := Wait(t.Context(), n, usual(kind), Want{})
			var hint interface{ Hint() string }
			if !errors.As(err, &hint) || time.Since(began) != 0 || len(n.dials) != 2 {
				t.Errorf("%v after %s and %d dials", err, time.Since(began), len(n.dials))
			}
		}
	})
}

func TestALostConnectionIsMadeAnewOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, func(http.ResponseWriter, *http.Request) {})
		good, lost := n.dial, 0
		n.dial = func(ctx context.Context, address string) (net.Conn, error) {
			if len(n.dials) == 2 {
				lost++
				return nil, &fixable{"n1: connection lost"}
			}
			if len(n.dials) == 3 {
				time.Sleep(8 * time.Second) // a slow log-in
			}
			return good(ctx, address)
		}
		if err := Wait(t.Context(), n, usual(httpCheck(config.Expect{})), Want{}); err != nil || lost != 1 {
			t.Errorf("%v", err)
		}
	})
}

func TestANodeThatIsGoneIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("n1: script health: broken pipe")
		n := &fakeNode{run: func(context.Context, shell.Script) (shell.Result, error) { return shell.Result{}, gone }}
		for _, kind := range []string{"command", "systemd"} {
			began := time.Now()
			if err := Wait(t.Context(), n, usual(config.Check{Kind: kind, Target: "x"}), Want{}); !errors.Is(err, gone) || time.Since(began) != 0 {
				t.Errorf("%s: %v after %s", kind, err, time.Since(began))
			}
		}
	})
}

func TestAnUnreachableNodeIsNoUnhealthyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{dial: func(ctx context.Context, _ string) (net.Conn, error) {
			<-ctx.Done() // the log-in runs into the round's end
			return nil, errors.Join(&fixable{"n1: dial: timed out"}, ctx.Err())
		}}
		began := time.Now()
		err := Wait(t.Context(), n, usual(httpCheck(config.Expect{})), Want{})
		var unhealthy *UnhealthyError
		if err == nil || errors.As(err, &unhealthy) || time.Since(began) != longestRound+loginRound {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if answer := Once(t.Context(), n, []config.Check{httpCheck(config.Expect{})}, Want{})[0]; answer.OK || answer.Err == nil {
			t.Errorf("%+v", answer)
		}
	})
}

func TestCancelEndsWaitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(ctx context.Context, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		refusing := func(context.Context, string) (net.Conn, error) { return nil, errRefused }
		for _, dial := range []func(context.Context, string) (net.Conn, error){silent, refusing} {
			ctx, cancel := context.WithCancelCause(t.Context())
			interrupted := errors.New("interrupted")
			time.AfterFunc(2500*time.Millisecond, func() { cancel(interrupted) })
			began := time.Now()
			err := Wait(ctx, &fakeNode{dial: dial}, usual(httpCheck(config.Expect{})), Want{})
			if !errors.Is(err, interrupted) || time.Since(began) != 2500*time.Millisecond {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		}
	})
}

func TestTheDeadlineDoesNotHideTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		round := 0
		n := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if round++; round == 3 { // cut short by the deadline
				<-r.Context().Done()
			}
			w.WriteHeader(http.StatusTeapot)
		})
		h := usual(httpCheck(config.Expect{}))
		h.Timeout = 3 * time.Second
		if err := Wait(t.Context(), n, h, Want{}); err == nil || !strings.Contains(err.Error(), "answered 418") {
			t.Error(err)
		}
	})
}

func TestUnitMustNotBeStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		round := 0
		n := &fakeNode{run: func(context.Context, shell.Script) (shell.Result, error) {
			round++
			return shell.Result{Stdout: fmt.Sprintf("::LoadState loaded\n::ActiveState active\n::SubState running\n::NRestarts %d\n::InvocationID %d\n", round/2, round/2)}, nil
		}}
		err := Wait(t.Context(), n, usual(config.Check{Kind: "systemd", Target: "api.service"}), Want{})
		if err == nil || !strings.Contains(err.Error(), "systemd api.service was started again (restarts ") {
			t.Error(err)
		}
		round = 10
		n.run = func(context.Context, shell.Script) (shell.Result, error) {
			return shell.Result{Stdout: "::LoadState loaded\n::ActiveState active\n::SubState running\n::NRestarts 4\n::InvocationID a\n"}, nil
		}
		if err := Wait(t.Context(), n, usual(config.Check{Kind: "systemd", Target: "api.service"}), Want{}); err != nil {
			t.Errorf("a unit that holds still: %v", err)
		}
	})
}

func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"version": "1.1.0"}`) })
		n.run = func(context.Context, shell.Script) (shell.Result, error) {
			return shell.Result{}, &fixable{"n1: cannot become root"}
		}
		versioned := httpCheck(config.Expect{Version: "json:version"})
		answers := Once(t.Context(), n, []config.Check{versioned, {Kind: "command", Target: "true"}, {Kind: "http", Target: "nowhere"}}, Want{})
		for i, want := range []string{"answered 200 OK, version 1.1.0", "n1: cannot become root", "health check nowhere: want a URL with http:// or https://"} {
			if answers[i].Text != want || answers[i].OK != (i == 0) {
				t.Errorf("answer %d: %+v, want %q", i, answers[i], want)
			}
		}
		if answer := Once(t.Context(), n, []config.Check{versioned}, Want{Version: "1.2.0"})[0]; answer.OK || answer.Text != "answered version 1.1.0, want 1.2.0" {
			t.Errorf("%+v", answer)
		}
	})
}
