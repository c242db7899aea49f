package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// progress keeps what is going on right now.
type progress struct {
	flight map[string]flight
	baking string
	until  time.Time
}

// flight is a step that has begun and not ended.
type flight struct {
	node  string
	step  rollout.Step
	since time.Time
}

func (p *progress) take(e rollout.Event) {
	switch e.Kind {
	case rollout.StepStarted:
		if p.flight == nil {
			p.flight = map[string]flight{}
		}
		p.flight[e.Node] = flight{e.Node, e.Step, e.Time}
	case rollout.StepFinished, rollout.StepFailed:
		delete(p.flight, e.Node)
	case rollout.BakeStarted:
		bake, _ := time.ParseDuration(e.Text)
		p.baking, p.until = e.Wave, e.Time.Add(bake)
	case rollout.WaveFinished, rollout.Finished:
		p.baking = ""
		clear(p.flight) // an interrupted step has no end of its own
	}
}

// flights returns the steps under way, the longest running first.
func (p *progress) flights() []flight {
	var flights []flight
	for _, f := range p.flight {
		flights = append(flights, f)
	}
	slices.SortFunc(flights, func(a, b flight) int {
		if c := a.since.Compare(b.since); c != 0 {
			return c
		}
		return inventory.CompareNames(a.node, b.node)
	})
	return flights
}

// line says in one line what is going on, or nothing.
func (p *progress) line(now time.Time) string {
	var parts []string
	for _, f := range p.flights() {
		parts = append(parts, fmt.Sprintf("%s %s %s", f.node, f.step, seconds(now.Sub(f.since))))
	}
	if p.baking != "" {
		parts = append(parts, fmt.Sprintf("%s must stay healthy for %s more", p.baking, max(0, p.until.Sub(now)).Round(time.Second)))
	}
	return strings.Join(parts, ", ")
}
