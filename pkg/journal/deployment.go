package journal

import (
	"slices"
	"time"

	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// Deployment is what a journal tells of one deployment. As JSON it is what show prints and what is shared. A copy shares its nodes, waves
// and runs with the original: only one of the two may be gone on with.
type Deployment struct {
	ID          string `json:"deployment"`
	Service     string `json:"service"`
	Environment string `json:"environment"`
	// Events is how many were folded.
	Events int `json:"events"`
	// Began and Updated are the times of the first and the last event.
	Began   time.Time `json:"began"`
	Updated time.Time `json:"updated"`
	// Asked is what it was asked to do.
	Asked rollout.Asked `json:"asked"`
	// Status is how the latest run ended; empty while it has not.
	Status rollout.Status `json:"status,omitempty"`
	// Interrupted, Why, Reason, Hint, Log and Problems are those of the latest run, as in rollout.Outcome.
	Interrupted string                `json:"interrupted,omitempty"`
	Why         rollout.Why           `json:"why,omitempty"`
	Reason      string                `json:"reason,omitempty"`
	Hint        string                `json:"hint,omitempty"`
	Log         []string              `json:"log,omitempty"`
	Problems    []rollout.NodeProblem `json:"problems,omitempty"`
	// Release is empty until it is resolved. Plan is the latest plan, First the first one; nil before there is one.
	Release rollout.Release `json:"release"`
	Plan    *plan.Plan      `json:"plan,omitempty"`
	First   *plan.Plan      `json:"first_plan,omitempty"`
	// Runs has more than one where the deployment was resumed.
	Runs  []Run  `json:"runs"`
	Waves []Wave `json:"waves,omitempty"`
	Nodes []Node `json:"nodes"`
	Notes []Note `json:"notes,omitempty"`
	// Host is where the latest run was made; File is its journal there.
	Host string `json:"host,omitempty"`
	File string `json:"file,omitempty"`
	// Trimmed says what is left out here because it did not fit; File has it all.
	Trimmed []string `json:"trimmed,omitempty"`

	index map[string]int // of Nodes by name; nil after decoding
}

// Run is one run of a deployment: the first, or one that resumed it.
type Run struct {
	// By is who ran it; nil where that is not known.
	By    *lock.Holder `json:"by,omitempty"`
	Began time.Time    `json:"began"`
	// Ended is zero and Status empty for a run that did not come to its end, or not yet. Updated is the time of its last event.
	Ended       time.Time      `json:"ended,omitzero"`
	Updated     time.Time      `json:"updated"`
	Status      rollout.Status `json:"status,omitempty"`
	Interrupted string         `json:"interrupted,omitempty"`
}

// Wave is a wave that was started, and how it was judged.
type Wave struct {
	Name string `json:"name"`
	// Run counts from 1, Number within the run's plan, of Waves.
	Run    int `json:"run"`
	Number int `json:"number,omitempty"`
	Waves  int `json:"waves,omitempty"`
	// Nodes is how many it has.
	Nodes int       `json:"nodes"`
	Began time.Time `json:"began,omitzero"`
	// Ended is zero for a wave that did not come to its end.
	Ended     time.Time  `json:"ended,omitzero"`
	Gates     []Gate     `json:"gates,omitempty"`
	Decisions []Decision `json:"decisions,omitempty"`
}

// Gate is something that held the next wave.
type Gate struct {
	// Kind is bake; Text says more, for a bake its time.
	Kind  string    `json:"kind"`
	Text  string    `json:"text,omitempty"`
	Began time.Time `json:"began"`
	// Ended is zero where the run ended before it.
	Ended time.Time `json:"ended,omitzero"`
}

// Decision is what was decided after a wave, where it was not to go on.
type Decision struct {
	Time     time.Time        `json:"time"`
	Decision rollout.Decision `json:"decision"`
	Reason   string           `json:"reason,omitempty"`
}

// Note is something worth saying, of a node or of the whole.
type Note struct {
	Time time.Time `json:"time"`
	Node string    `json:"node,omitempty"`
	Text string    `json:"text"`
}

// Node is what is known of one node.
type Node struct {
	Name string `json:"name"`
	Zone string `json:"zone,omitempty"`
	// Wave is its wave in the latest plan; empty where it has no step to take.
	Wave string `json:"wave,omitempty"`
	// From is what it ran before the deployment, by the first plan that had it: a later run may find it half way. To is where it goes.
	From string `json:"from,omitempty"`
	// Previous is the last release that was healthy there before, where From was not; else empty.
	Previous string `json:"previous,omitempty"`
	To       string `json:"to,omitempty"`
	// Planned: From is known.
	Planned bool `json:"planned,omitempty"`
	// Known: Runs is what it runs, empty for no release. Otherwise it was never asked, or is in doubt.
	Known bool   `json:"known,omitempty"`
	Runs  string `json:"runs,omitempty"`
	// Touched: its running service was affected, first in the run TouchedIn, which counts from 1.
	Touched   bool `json:"touched,omitempty"`
	TouchedIn int  `json:"touched_in,omitempty"`
	// Healthy: it runs To, and was seen healthy. Restored: it was touched, and runs From again. Stopped: it had no release to go back to.
	Healthy  bool `json:"healthy,omitempty"`
	Restored bool `json:"restored,omitempty"`
	Stopped  bool `json:"stopped,omitempty"`
	// Skipped: the deployment does not answer for it.
	Skipped bool `json:"skipped,omitempty"`
	// InFlight is the step that began and has not ended; empty for none.
	InFlight rollout.Step    `json:"in_flight,omitempty"`
	Staged   *rollout.Staged `json:"staged,omitempty"`
	// Failure is the latest, of any run; Undo is why it could not be put back.
	Failure *rollout.Failure `json:"failure,omitempty"`
	Undo    *rollout.Failure `json:"undo,omitempty"`
	Steps   []Step           `json:"steps,omitempty"`
}

// InDoubt tells that a switch, or the way back, began and was not seen to end: the node may run either release.
func (n Node) InDoubt() bool { return n.Touched && !n.Known }

// Result is how a step ended.
type Result string

// The results; a step in flight has none.
const (
	Done   Result = "done"
	Failed Result = "failed"
	// Cut: the run ended first.
	Cut Result = "cut short"
)

// Step is one step on one node.
type Step struct {
	Step rollout.Step `json:"step"`
	// Run counts from 1.
	Run     int       `json:"run"`
	Release string    `json:"release,omitempty"`
	Began   time.Time `json:"began"`
	// Took is in nanoseconds; 0 for a step that was cut short.
	Took   time.Duration `json:"took,omitempty"`
	Result Result        `json:"result,omitempty"`
}

// Finished tells whether the latest run came to its end.
func (d Deployment) Finished() bool { return d.Status != "" }

// Touched tells whether any node's running service was affected.
func (d Deployment) Touched() bool {
	for i := range d.Nodes {
		if d.Nodes[i].Touched {
			return true
		}
	}
	return false
}

// Spent returns the names of the nodes that failed so far, in any run: they count against the budget of the next.
func (d Deployment) Spent() []string {
	var names []string
	for i := range d.Nodes {
		if d.Nodes[i].Failure != nil {
			names = append(names, d.Nodes[i].Name)
		}
	}
	return names
}

// Node returns what is known of a node.
func (d *Deployment) Node(name string) (Node, bool) {
	d.reindex()
	at, ok := d.index[name]
	if !ok {
		return Node{}, false
	}
	return d.Nodes[at], true
}

// Took is how long the latest run was at work, as far as is known.
func (d Deployment) Took() time.Duration {
	if len(d.Runs) == 0 {
		return 0
	}
	run := d.Runs[len(d.Runs)-1]
	return run.Updated.Sub(run.Began)
}

// clone returns a copy that what is applied later does not change.
func (d *Deployment) clone() Deployment {
	c := *d
	c.index = nil
	c.Runs, c.Notes, c.Nodes, c.Waves = slices.Clone(d.Runs), slices.Clone(d.Notes), slices.Clone(d.Nodes), slices.Clone(d.Waves)
	for i := range c.Nodes {
		c.Nodes[i].Steps = slices.Clone(c.Nodes[i].Steps)
	}
	for i := range c.Waves {
		c.Waves[i].Gates, c.Waves[i].Decisions = slices.Clone(c.Waves[i].Gates), slices.Clone(c.Waves[i].Decisions)
	}
	return c
}
