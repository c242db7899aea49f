package rollout_test

import (
	"maps"
	"time"

	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/restart"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// simNode is the truth about one node.
type simNode struct {
	name    string
	records map[string]release.Record
	// current is the link, confirmed the mark; process is the release that the service runs, empty where it is down.
	current, confirmed, process string
	guard                       simGuard
	// damaged are releases whose files are not what was built; bad are those that never become healthy here.
	damaged, bad map[string]bool
	// good are the releases that were seen healthy here since a deployment last made them current.
	good map[string]bool
	// gone is until when the node cannot be reached.
	gone time.Time
	// active is the deployer that changed what the node runs, and is still at work somewhere.
	active *deployer
}

type simGuard struct {
	deployment, domain string
	by                 *deployer
	renewed            time.Time
}

func (n *simNode) reachable() bool { return !time.Now().Before(n.gone) }

// foreign tells whether the guard keeps d out.
func (g simGuard) foreign(d *deployer) bool {
	return g.deployment != "" && g.deployment != d.id && g.domain != d.domain && time.Since(g.renewed) < rollout.GuardTTL
}

func (n *simNode) facts(d *deployer) rollout.Facts {
	f := rollout.Facts{Platform: "linux", Service: restart.State{Name: "running"}}
	f.Current, f.Confirmed, f.Records = n.current, n.confirmed, maps.Clone(n.records)
	if n.process == "" {
		f.Service.Name = "failed"
	}
	if n.guard.foreign(d) {
		f.Busy = &lock.Holder{Deployment: n.guard.deployment}
	}
	return f
}

// has is what the node must be like to count as running id.
func (n *simNode) has(id string) bool { return n.current == id && n.process == id }

// knownGood tells whether the node shows that what it runs was healthy: by its mark, or because a later release has it for its predecessor. What
// an interrupted rollback put back without time to look at it shows neither.
func (n *simNode) knownGood() bool {
	shown := n.confirmed == n.current
	for _, later := range n.records {
		shown = shown || later.Previous == n.current
	}
	return n.good[n.current] && shown
}

// rebuild loses all that was on the node.
func (n *simNode) rebuild() {
	n.records, n.good, n.damaged = map[string]release.Record{}, map[string]bool{}, map[string]bool{}
	n.current, n.confirmed, n.process, n.guard = "", "", "", simGuard{}
}

func (n *simNode) stage(id, deployment string) {
	if _, there := n.records[id]; !there || n.damaged[id] {
		n.records[id] = release.Record{ID: id, Staged: deployment}
		delete(n.damaged, id)
	}
}

// write is the first half of a switch, link the second: a switch may end between them.
func (n *simNode) write(s rollout.Switch) {
	record := n.records[s.To]
	if s.Deployment != "" {
		record.Deployment = s.Deployment
		if !s.KeepPrevious {
			record.Previous = s.Previous
		}
		n.records[s.To] = record
	}
	n.confirmed = ""
}

func (n *simNode) link(s rollout.Switch) {
	if s.Deployment != "" && s.To != n.current {
		delete(n.good, s.To)
	}
	n.current = s.To
}

func (n *simNode) prune(keep int) {
	state := release.State{Current: n.current, Confirmed: n.confirmed, Records: n.records}
	for _, id := range state.Obsolete(keep) {
		delete(n.records, id)
		delete(n.damaged, id)
	}
}
