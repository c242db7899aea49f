package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/health"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
	"golang.org/x/sync/errgroup"
)

// clockSlack is by how many seconds a process may seem older than it is: it and the link are timed by different clocks of the kernel,
// each cut to the second.
const clockSlack = 2

// Status asks every node, at most parallel at once, what it runs. Nodes come back in the fleet's order.
func (f *Fleet) Status(ctx context.Context, parallel int) []rollout.NodeStatus {
	all := make([]rollout.NodeStatus, len(f.order))
	var group errgroup.Group
	group.SetLimit(max(1, parallel))
	for i, name := range f.order {
		group.Go(func() error {
			all[i] = f.statusOf(ctx, f.nodes[name])
			return nil
		})
	}
	_ = group.Wait() // each node's error stands in its status
	return all
}

func (f *Fleet) statusOf(ctx context.Context, n *node) rollout.NodeStatus {
	if n.Dead != "" {
		return rollout.NodeStatus{Node: n.Name, Zone: n.Zone, Error: "discovery holds it for dead: " + n.Dead}
	}
	facts, err := f.Probe(ctx, n.Name)
	if err != nil {
		known := failure(n.Name, err)
		return rollout.NodeStatus{Node: n.Name, Zone: n.Zone, Error: known.Text, Hint: known.Hint}
	}
	var answers []health.Answer
	if facts.Current != "" {
		answers = f.Answers(ctx, n.Name, facts.Current)
	}
	status := statusFrom(facts, answers, f.service.Restart)
	status.Node, status.Zone = n.Name, n.Zone
	return status
}

// statusFrom judges what a node showed.
func statusFrom(facts rollout.Facts, answers []health.Answer, restart config.Restart) rollout.NodeStatus {
	s := rollout.NodeStatus{
		Release: facts.Current, Version: release.VersionOf(facts.Current), Service: facts.Service.Name, Started: facts.Service.Started,
		Confirmed: facts.Current != "" && facts.Confirmed == facts.Current,
	}
	for id := range facts.Records {
		if id != facts.Current {
			s.Kept = append(s.Kept, id)
		}
	}
	slices.Sort(s.Kept)
	stray := strayLink(facts.State) // stands among the faults
	s.Problems = slices.DeleteFunc(slices.Clone(facts.Problems), func(p rollout.Problem) bool { return p == stray })
	if s.Release == "" {
		return s
	}
	fault := func(format string, a ...any) { s.Faults = append(s.Faults, fmt.Sprintf(format, a...)) }
	if !facts.Has(facts.Current) {
		fault("%s", stray.Text)
	}
	if !s.Confirmed {
		fault("%s became current, but was not seen healthy since: deploy or roll back", s.Version)
	}
	if s.Service == "stopped" || s.Service == "failed" {
		fault("the service is %s", s.Service)
	}
	if started := facts.Service.Started; restart.Action != "reload" && !started.IsZero() && facts.Switched > 0 && started.Unix() < facts.Switched-clockSlack {
		fault("its process is older than the link, so it runs what was there before: restart it")
	}
	for _, answer := range answers {
		if !answer.OK {
			fault("%s", answer.Text)
			s.Healthy = "unhealthy"
		}
	}
	if len(answers) > 0 && s.Healthy == "" {
		s.Healthy = "healthy"
	}
	return s
}
