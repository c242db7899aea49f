package fleet

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

// inPlace has one prefix, such as a venv, into which the packages of one release after the other go.
type inPlace struct{ *Fleet }

// foundSet is what is installed in a prefix without being the release that rollpin put there last.
type foundSet struct {
	// record has no id where there is no such set.
	record release.Record
	freeze string
}

func (l inPlace) probe() shell.Script { return release.Probe(release.Store(l.service.Path)) }

func (l inPlace) probeManager() shell.Script {
	return l.installer().ProbePrefix(l.Fleet.source, l.service.Path)
}

// source has the prefix's own interpreter.
func (l inPlace) source(n *node) pkgmgr.Source {
	source := l.Fleet.source
	source.Python = release.PrefixOf(n.facts.Path) + "/bin/python"
	return source
}

// complete sees what is in the prefix. A change that ended half way makes its release the current one, not seen healthy. Packages that are
// not those of the current release are a set of their own; so is what was there before the first deployment.
func (l inPlace) complete(n *node, facts shell.Facts, found *rollout.Facts) {
	n.found = foundSet{}
	if changing := facts.Get("changing"); changing != "" {
		found.Current, found.Confirmed = changing, ""
		return
	}
	freeze := release.Freeze(facts.All("found"))
	digest := release.FreezeDigest(freeze)
	if current := found.CurrentRecord(); found.Platform == "" || current.Freeze == digest {
		return
	}
	version := l.installedVersion(facts)
	id := release.ID(version, digest)
	if record, kept := found.Records[id]; kept {
		n.found = foundSet{record, freeze}
	} else {
		n.found = foundSet{release.Record{
			ID: id, Service: l.service.Name, Package: l.service.Package, Manager: l.manager.Name(), Version: version, Freeze: digest,
			Platform: found.Platform, Interpreter: found.Interpreter, Staged: l.deployment,
		}, freeze}
	}
	if version == nothing {
		found.Current = ""
		return
	}
	if found.Current == "" {
		found.Confirmed = id // nobody doubts what ran before rollpin came
	}
	found.Current, found.Records[id] = id, n.found.record
}

// nothing is the version of a set that lacks the package.
const nothing = "0"

func (l inPlace) installedVersion(facts shell.Facts) string {
	for _, p := range facts.All("found") {
		name, version, _ := strings.Cut(p, " ")
		if !l.installer().SameName(name, l.service.Package) {
			continue
		}
		if normal, err := l.manager.Normalize(version); err == nil {
			version = normal
		}
		if release.ValidID(version + "-01234567") {
			return version
		}
	}
	return nothing
}

func (l inPlace) install(n *node, source pkgmgr.Source, id string, lock pkgmgr.Lock) shell.Script {
	return l.installer().InstallPrefix(source, lock, n.facts.Path+"/releases/"+id, release.PrefixOf(n.facts.Path))
}

func (inPlace) note(record *release.Record, installed shell.Facts) {
	record.Freeze = release.FreezeDigest(release.Freeze(installed.All("found")))
}

// switchTo keeps what is in the prefix and puts the release in its place. Going back keeps nothing that can be made again.
func (l inPlace) switchTo(ctx context.Context, n *node, record release.Record, back bool) error {
	from := n.facts.Records[n.facts.Current]
	if n.found.record.ID != "" {
		from = n.found.record
	}
	change := release.Replacing{To: record, Rewrite: !back, From: from, Freeze: n.found.freeze, Keep: !back}
	script, err := release.Replace(n.facts.Path, l.prefix(n), change)
	if err != nil {
		return err
	}
	facts, err := l.runGuarded(ctx, n, script)
	for _, text := range facts.All("record") {
		if kept, err := release.ParseRecord(shell.Facts{{Key: "record", Value: text}}); err == nil {
			n.facts.Records[kept.ID] = kept
		}
	}
	if err != nil {
		return err
	}
	n.found = foundSet{}
	n.facts.Current = record.ID
	if got := release.FreezeDigest(release.Freeze(facts.All("found"))); got != record.Freeze {
		return fmt.Errorf("the packages that are installed now are not those of release %s", record.ID)
	}
	return nil
}

func (l inPlace) prefix(n *node) shell.Script {
	return l.installer().Prefix(l.source(n), release.PrefixOf(n.facts.Path))
}

// withdraw puts back what was there before the package came.
func (l inPlace) withdraw(ctx context.Context, n *node) error {
	origin := release.Record{ID: release.ID(nothing, strings.Repeat("0", 8))}
	for _, record := range n.facts.Records {
		if record.Found() && record.Version == nothing && record.Staged > origin.Staged {
			origin = record
		}
	}
	_, err := l.runGuarded(ctx, n, release.Empty(n.facts.Path, l.prefix(n), origin.ID))
	return err
}

// switchTimeout is that of staging: the files of a whole venv are copied and compared.
func (l inPlace) switchTimeout() time.Duration { return l.service.Timeouts.Stage }
