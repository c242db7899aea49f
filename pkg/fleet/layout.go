package fleet

import (
	"context"
	"time"

	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

// layout is how releases stand on nodes, and what has to be done to make one current.
type layout interface {
	// probe and probeManager are the parts of a probe that depend on it; complete adds what only they tell.
	probe() shell.Script
	probeManager() shell.Script
	complete(n *node, facts shell.Facts, found *rollout.Facts)
	// source is where packages come from, and what serves them on a node.
	source(n *node) pkgmgr.Source
	// install makes the release out of a lock, from source; note writes down what the installer said of it.
	install(n *node, source pkgmgr.Source, id string, lock pkgmgr.Lock) shell.Script
	note(record *release.Record, installed shell.Facts)
	// switchTo makes a release current, with this record; back if it was current before, so that its record stays.
	switchTo(ctx context.Context, n *node, record release.Record, back bool) error
	// withdraw leaves no release current.
	withdraw(ctx context.Context, n *node) error
	// switchTimeout bounds switchTo and withdraw.
	switchTimeout() time.Duration
}

// sideBySide has each release in a directory of its own, and a link that names the current one.
type sideBySide struct{ *Fleet }

func (l sideBySide) probe() shell.Script { return release.Probe(l.service.Path) }

func (l sideBySide) probeManager() shell.Script { return l.manager.Probe(l.Fleet.source) }

func (l sideBySide) source(*node) pkgmgr.Source { return l.Fleet.source }

func (sideBySide) complete(*node, shell.Facts, *rollout.Facts) {}

func (l sideBySide) install(n *node, source pkgmgr.Source, id string, lock pkgmgr.Lock) shell.Script {
	return l.installer().Install(source, lock, n.facts.Path+"/releases/"+id)
}

func (sideBySide) note(*release.Record, shell.Facts) {}

func (l sideBySide) switchTo(ctx context.Context, n *node, record release.Record, back bool) error {
	script := release.SwitchBack(n.facts.Path, record.ID)
	if !back {
		var err error
		if script, err = release.Switch(n.facts.Path, record); err != nil {
			return err
		}
	}
	if _, err := l.runGuarded(ctx, n, script); err != nil {
		return err
	}
	n.facts.Current = record.ID
	return nil
}

func (l sideBySide) withdraw(ctx context.Context, n *node) error {
	_, err := l.runGuarded(ctx, n, release.Withdraw(n.facts.Path))
	return err
}

func (l sideBySide) switchTimeout() time.Duration { return l.service.Timeouts.Restart }
