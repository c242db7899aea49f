package rollout_test

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var (
	simulationRuns = flag.Int("runs", 2000, "`number` of seeds that TestSimulation plays")
	simulationSeed = flag.Int("seed", 0, "the only seed that TestSimulation plays, with its log; 0 for all")
)

// TestSimulation plays deployments on simulated fleets, with faults, and checks the promises of the design after each step.
func TestSimulation(t *testing.T) {
	if *simulationSeed > 0 {
		t.Log(simulate(t, *simulationSeed, true))
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	var next atomic.Int64
	for worker := range runtime.GOMAXPROCS(0) {
		t.Run(fmt.Sprint("processor ", worker+1), func(t *testing.T) {
			t.Parallel()
			for seed := next.Add(1); seed <= int64(*simulationRuns) && !t.Failed(); seed = next.Add(1) {
				simulate(t, int(seed), false)
			}
		})
	}
}

// simulate plays one seed, and returns its log if that is wanted.
func simulate(t *testing.T, seed int, logged bool) (log string) {
	var w *world
	defer func() {
		if p := recover(); p != nil { // a goroutine that outlives its run is a deadlock
			panic(fmt.Sprintf("seed %d: %v", seed, p))
		}
	}()
	synctest.Test(t, func(*testing.T) {
		w = newWorld(uint64(seed))
		w.play()
	})
	if len(w.problems) > 0 {
		t.Errorf("%d nodes\n%s\n%s\n\nto see it alone: go test ./pkg/rollout -run 'TestSimulation$' -seed %d -v", len(w.nodes), w, strings.Join(w.problems, "\n"), seed)
	}
	if logged {
		return w.String()
	}
	return ""
}
