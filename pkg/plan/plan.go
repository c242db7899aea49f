// Package plan turns a request and what is known of the nodes into waves of steps: a value, made without clock, network or files.
package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
)

// Request is what a plan is made from.
type Request struct {
	Service, Environment string
	Strategy             config.Strategy
	// Rollback plans a way back: no canary, and neither unreachable nor failing nodes keep the others from it,
	// unless the first wave fails as a whole.
	Rollback bool
	// Nodes are all targets. Sizes are shares of their number, whether they need a step or not.
	Nodes []Node
}

// Node is one target as preflight found it.
type Node struct {
	Name string
	Zone string
	// From is the release that the node runs; empty for none.
	From string
	// Previous is the last release that was healthy there, where From is not; else empty.
	Previous string
	// To is the release that it shall run.
	To string
	// Done says that the node runs To already, restarted and confirmed: it needs no step.
	Done bool
	// Missing says that the node cannot be worked on. It takes no step, but sizes and budgets count it.
	Missing bool
}

// Plan is what a deployment will do, in order.
type Plan struct {
	Service     string `json:"service"`
	Environment string `json:"environment"`
	Strategy    string `json:"strategy"`
	// Targets is the number of nodes that the deployment answers for.
	Targets int `json:"targets"`
	// Done are the nodes that run the release already.
	Done  []string `json:"done,omitempty"`
	Waves []Wave   `json:"waves"`
	// Bake is how long a wave must stay healthy before the next starts; not asked of the last.
	Bake time.Duration `json:"bake"`
	// MaxFailures is the number of nodes that may fail before the deployment stops.
	MaxFailures int `json:"max_failures"`
	// OnFailure is rollback or halt.
	OnFailure string `json:"on_failure"`
	// Undo is how many healthy nodes go back at once when the deployment is rolled back; 1 or more.
	Undo int `json:"undo"`
	// Digest is the SHA-256 of all of the above, in hex: two plans with one digest do the same.
	Digest string `json:"digest"`
}

// Wave is a group of nodes activated together, then judged together.
type Wave struct {
	// Name is "canary" or "batch N".
	Name string `json:"name"`
	// MustPass marks the wave whose failure as a whole ends the deployment whatever the budget.
	MustPass bool   `json:"must_pass,omitempty"`
	Steps    []Step `json:"steps"`
}

// Step takes one node from one release to another.
type Step struct {
	Node string `json:"node"`
	Zone string `json:"zone,omitempty"`
	// From is empty where the node had no release.
	From string `json:"from,omitempty"`
	// Previous is the last release that was healthy there, where From is not; else empty.
	Previous string `json:"previous,omitempty"`
	To       string `json:"to"`
}

// Make plans the waves: nodes in natural order of their names, the canary first, then batches.
func Make(r Request) Plan {
	p := Plan{
		Service:     r.Service,
		Environment: r.Environment,
		Strategy:    r.Strategy.Name,
		Targets:     len(r.Nodes),
		Bake:        r.Strategy.Bake,
		MaxFailures: r.Strategy.MaxFailures.Budget(len(r.Nodes)),
		OnFailure:   r.Strategy.OnFailure,
		Undo:        max(1, cmp.Or(r.Strategy.Rollback.Batch, r.Strategy.Batch).Of(len(r.Nodes))),
	}
	batch := max(1, r.Strategy.Batch.Of(len(r.Nodes)))
	canary := r.Strategy.Canary.Of(len(r.Nodes))
	if r.Rollback {
		canary, batch, p.Bake, p.MaxFailures, p.OnFailure = 0, p.Undo, 0, len(r.Nodes), "halt"
	}
	p.Waves = waves(p.split(r.Nodes), canary, batch)
	if r.Rollback && len(p.Waves) > 1 {
		p.Waves[0].MustPass = true
	}
	p.Digest = p.digest()
	return p
}

// Steps returns the steps of all waves, in order.
func (p Plan) Steps() []Step {
	var steps []Step
	for _, wave := range p.Waves {
		steps = append(steps, wave.Steps...)
	}
	return steps
}

func (p *Plan) split(nodes []Node) []Step {
	nodes = slices.SortedFunc(slices.Values(nodes), func(a, b Node) int {
		return cmp.Or(inventory.CompareNames(a.Name, b.Name), cmp.Compare(a.Name, b.Name))
	})
	var steps []Step
	for _, n := range nodes {
		if n.Done {
			p.Done = append(p.Done, n.Name)
			continue
		}
		if n.Missing {
			continue
		}
		steps = append(steps, Step{Node: n.Name, Zone: n.Zone, From: n.From, Previous: n.Previous, To: n.To})
	}
	return steps
}

func waves(steps []Step, canary, batch int) []Wave {
	var waves []Wave
	if canary = min(canary, len(steps)); canary > 0 {
		waves = append(waves, Wave{Name: "canary", MustPass: true, Steps: steps[:canary]})
		steps = steps[canary:]
	}
	for chunk := range slices.Chunk(steps, batch) {
		number := len(waves) + 1
		if canary > 0 {
			number--
		}
		waves = append(waves, Wave{Name: fmt.Sprintf("batch %d", number), Steps: chunk})
	}
	return waves
}

func (p Plan) digest() string {
	p.Digest = ""
	text, err := json.Marshal(p)
	if err != nil {
		panic("plan: a plan of strings and numbers did not marshal: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
