package rollout_test

import (
	"math/rand/v2"
	"time"
)

// simFaults are how likely things go wrong, each time that something is done.
type simFaults struct {
	// fail: a step fails; cut: its connection is lost; hang: it does not end before its deadline; flaky: a healthy node looks sick once.
	fail, cut, hang, flaky float64
	// journal: a line, or its way to the disk, fails; kill: the deployer dies before or after a line.
	journal, kill float64
	// power: a deployer that dies takes with it what is not on disk.
	power bool
	// within is the time in which the events below happen, zero for those that do not: the first and the second interrupt, a kill, a lock that is
	// lost to another deployer, and another deployer that shares no lock.
	interrupt, again, death, lost, rival time.Duration
	// away are nodes that go, and come back.
	away []absence
}

// absence is a node that cannot be reached for a while.
type absence struct {
	node        int
	from, lasts time.Duration
}

// deadline bounds every step on a node.
const deadline = 30 * time.Second

// drawFaults makes what goes wrong in one act; most acts have a few kinds of faults, some none.
func drawFaults(r *rand.Rand, nodes int) simFaults {
	var f simFaults
	if r.IntN(4) == 0 {
		return f
	}
	rate := func(one int, most float64) float64 {
		if r.IntN(one) > 0 {
			return 0
		}
		return most * r.Float64()
	}
	at := func(one int, most time.Duration) time.Duration {
		if r.IntN(one) > 0 {
			return 0
		}
		return 1 + time.Duration(r.Int64N(int64(most)))
	}
	share := min(1, 4/float64(nodes))
	f.fail, f.cut, f.hang, f.flaky = rate(3, 0.3*share), rate(4, 0.3*share), rate(5, 0.2*share), rate(5, 0.2*share)
	f.journal, f.kill = rate(6, 0.1*share), rate(4, 0.1*share)
	f.power = r.IntN(2) == 0
	whole := 30 * time.Second
	f.interrupt, f.death, f.lost, f.rival = at(5, whole), at(8, whole), at(9, whole), at(9, whole)
	if r.IntN(2) == 0 {
		f.rival /= 15 // while the first one looks and stages
	}
	f.again = at(2, 5*time.Second)
	for r.IntN(4) == 0 {
		f.away = append(f.away, absence{r.IntN(nodes), at(1, whole), at(1, 2*whole)})
	}
	return f
}

// simFault is what happens to one step.
type simFault string

const (
	faultNone simFault = "done"
	faultFail simFault = "fails"
	faultCut  simFault = "cut"
	faultHang simFault = "hangs"
)

func (f simFaults) pick(r *rand.Rand) simFault {
	switch at := r.Float64(); {
	case at < f.fail:
		return faultFail
	case at < f.fail+f.cut:
		return faultCut
	case at < f.fail+f.cut+f.hang:
		return faultHang
	}
	return faultNone
}

// far is how far a step got whose end nobody saw.
type far int

const (
	notAtAll far = iota
	halfWay
	allTheWay
)

// mix hashes what a draw depends on: the same seed draws the same, in whatever order nodes are served.
func mix(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h ^= p
		h *= 0xbf58476d1ce4e5b9
		h ^= h >> 31
		h *= 0x94d049bb133111eb
		h ^= h >> 29
	}
	return h
}

func hashed(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}
