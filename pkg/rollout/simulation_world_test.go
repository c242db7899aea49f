package rollout_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// world is a fleet, and all that happens to it, made from one seed.
type world struct {
	seed uint64
	// r draws what one goroutine decides; what is done on nodes draws for itself.
	r     *rand.Rand
	began time.Time

	mu        sync.Mutex // guards what follows, and everything that points here
	nodes     []*simNode
	byName    map[string]*simNode
	faults    simFaults
	all       []*deployment
	deployers int
	// first is the first deployer of an act. Common: all deployers share a lock.
	first  *deployer
	common bool
	// releases is how many there are.
	releases int

	lines    []simLine
	problems []string
}

// simLine is a line of the log; it is made a text only where a seed failed.
type simLine struct {
	at                        time.Duration
	by                        *deployer
	node, what, release, text string
	err                       error
}

func (w *world) log(by *deployer, node, what, id, text string) {
	w.lines = append(w.lines, simLine{time.Since(w.began), by, node, what, id, text, nil})
}

func (w *world) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.problems = append(w.problems, text)
	w.log(nil, "", "PROBLEM", "", text)
}

func (w *world) String() string {
	var out strings.Builder
	for _, l := range w.lines {
		by := ""
		if l.by != nil {
			by = l.by.String()
		}
		if l.err != nil {
			l.text += ": " + l.err.Error()
		}
		fmt.Fprintf(&out, "%11.3f  %-7s %-6s %-18s %-16s %s\n", l.at.Seconds(), by, l.node, l.what, l.release, l.text)
	}
	return out.String()
}

func newWorld(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 5))
	w := &world{seed: seed, r: r, began: time.Now(), byName: map[string]*simNode{}, common: r.IntN(5) > 0, releases: 2}
	empty := r.IntN(12) == 0
	for i := range howMany(r) {
		n := &simNode{name: fmt.Sprintf("n%d", i+1), bad: map[string]bool{}}
		n.rebuild()
		if !empty {
			n.furnish(r.IntN(12))
		}
		w.nodes = append(w.nodes, n)
		w.byName[n.name] = n
	}
	return w
}

// howMany nodes a world has: mostly few, now and then thousands.
func howMany(r *rand.Rand) int {
	most := 4
	for _, larger := range []int{10, 30, 200, 5000} {
		if r.IntN(8) > 0 {
			break
		}
		most = larger
	}
	return 1 + r.IntN(most)
}

func releaseID(n int) string { return release.ID(fmt.Sprintf("%d.0.0", n), fmt.Sprintf("%08x", n)) }

// furnish gives a node a history: most run release 1, and ran 0 before.
func (n *simNode) furnish(kind int) {
	old, current := releaseID(0), releaseID(1)
	switch kind {
	case 0: // new in the fleet
		return
	case 1: // was not there the last time
		n.records[old] = release.Record{ID: old, Deployment: "d000"}
		current = old
	case 2: // its last deployment failed, and was left as it is
		n.bad[current] = true
		fallthrough
	default:
		n.records[old] = release.Record{ID: old, Deployment: "d000"}
		n.records[current] = release.Record{ID: current, Deployment: "d001", Previous: old}
		n.good[old] = true
	}
	n.current, n.process = current, current
	if !n.bad[current] {
		n.confirmed, n.good[current] = current, true
	}
}

// newDeployment draws a request. Ids sort by time.
func (w *world) newDeployment(kind string) *deployment {
	id := fmt.Sprintf("d%03d", len(w.all)+2)
	of := &deployment{
		id: id, kind: kind, before: map[string]string{}, wellBefore: map[string]bool{}, touched: map[string]bool{}, disturbed: map[string]bool{}, unrecorded: map[string]bool{}, undone: map[string]bool{},
		journal: &simJournal{world: w, id: id, json: w.seed%16 == 0},
	}
	w.all = append(w.all, of)
	r := rand.New(rand.NewPCG(w.seed, mix(hashed(id))))
	of.request = rollout.Deployment{
		ID: id, Service: "api", Environment: "production", Strategy: drawStrategy(r, len(w.nodes)), Parallel: 1 + r.IntN(1+r.IntN(50)),
		SkipUnreachable: r.IntN(4) == 0, StageOnly: kind == "stage", Rollback: kind == "rollback",
	}
	of.request.Asked.Command = kind
	for _, n := range w.nodes {
		of.request.Nodes = append(of.request.Nodes, inventory.Node{Name: n.name})
	}
	switch {
	case kind == "rollback":
		w.undo(of, r.IntN(3) == 0)
	case w.releases > 2 && r.IntN(4) == 0:
		of.wanted = releaseID(w.releases - 1) // the same once more
	default:
		of.wanted = releaseID(w.releases)
		w.releases++
		w.spoil(r, of.wanted)
	}
	return of
}

// undo notes what a rollback undoes: everything where it goes to a version.
func (w *world) undo(of *deployment, toVersion bool) {
	latest := ""
	for _, n := range w.nodes {
		latest = max(latest, n.records[n.current].Deployment)
	}
	if toVersion {
		of.request.Version = "1.0.0"
	}
	for _, n := range w.nodes {
		of.undone[n.current] = of.undone[n.current] || toVersion || n.records[n.current].Deployment == latest && latest != ""
	}
}

// spoil makes a release one that does not come up, on some nodes or all.
func (w *world) spoil(r *rand.Rand, id string) {
	if r.IntN(3) > 0 {
		return
	}
	share := r.Float64()
	for _, n := range w.nodes {
		n.bad[id] = r.Float64() < share*share
	}
}

func drawStrategy(r *rand.Rand, nodes int) config.Strategy {
	size := func(most int) config.Size {
		if r.IntN(3) == 0 {
			return config.Size{N: 1 + r.IntN(100), Percent: true}
		}
		return config.Size{N: 1 + r.IntN(most)}
	}
	s := config.Strategy{Name: "drawn", Batch: size(min(nodes, 4)), OnFailure: "rollback", Bake: time.Duration(r.IntN(3)) * 7 * time.Second}
	if nodes < 4 && r.IntN(30) == 0 {
		s.Bake = rollout.GuardTTL + time.Minute
	}
	if nodes > 40 {
		s.Batch = config.Size{N: 10 + r.IntN(90), Percent: true}
	}
	if r.IntN(3) == 0 {
		s.OnFailure = "halt"
	}
	if r.IntN(2) == 0 {
		s.Canary = config.Size{N: 1 + r.IntN(2)}
	}
	if r.IntN(2) == 0 {
		s.MaxFailures = size(3)
	}
	if r.IntN(3) == 0 {
		s.Rollback.Batch = size(4)
	}
	return s
}
