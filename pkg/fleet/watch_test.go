package fleet

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollpin/rollpin/pkg/restart"
)

func TestADeadServiceIsNotWaitedFor(t *testing.T) {
	running := func(pid int) restart.State { return restart.State{Name: "running", PID: pid} }
	for _, c := range []struct {
		name   string
		states []restart.State // the last one stays
		want   string
		after  time.Duration
	}{
		{"slow, but alive", []restart.State{running(7)}, "", time.Minute},
		{"starts later", []restart.State{{Name: "unknown"}, {Name: "stopped"}, running(7)}, "", time.Minute},
		{"hands over to another process", []restart.State{running(7), running(8)}, "", time.Minute},
		{"failed for good", []restart.State{running(7), {Name: "failed"}}, "died", 2 * watchEvery},
		{"dies and is started again", []restart.State{running(7), running(8), running(9)}, "keeps dying", 3 * watchEvery},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				looks := 0
				began := time.Now()
				got := died(ctx, func(context.Context) restart.State {
					looks++
					return c.states[min(looks, len(c.states))-1]
				})
				if !strings.Contains(got, c.want) || c.want == "" && got != "" {
					t.Errorf("%q, want %q", got, c.want)
				}
				if took := time.Since(began); took != c.after {
					t.Errorf("it took %s, not %s", took, c.after)
				}
			})
		})
	}
}
