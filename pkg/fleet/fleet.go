// Package fleet carries out on real nodes what a rollout asks for: it runs the scripts of pkgmgr, release, restart and health over one SSH
// connection for each node.
package fleet

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/health"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/remote"
	"github.com/rollpin/rollpin/pkg/restart"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

// Conn is the connection to one node, as package remote makes it.
type Conn interface {
	Run(ctx context.Context, s shell.Script) (shell.Result, error)
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	Send(ctx context.Context, file string, source io.ReaderAt, size int64) error
	Fetch(ctx context.Context, file string, target io.Writer) error
}

// Fleet is the nodes of one service. It implements rollout.Fleet.
type Fleet struct {
	service    config.Service
	deployment string
	guard      release.Guard
	manager    pkgmgr.Manager
	layout     layout
	source     pkgmgr.Source
	order      []string
	nodes      map[string]*node

	cache    *bundle.Cache
	ahead    bool
	lockFile *lockFile
	taken    taken

	mu    sync.Mutex // guards the two below
	locks map[lockKey]*lockRead
	bits  map[bitsKey]*bits

	comparing sync.Mutex                  // guards the two below, and is held while they are worked out
	manifests map[string]release.Manifest // by digest
	deltas    map[string]release.Delta    // by the digests of what is wanted and what a node has
}

type node struct {
	inventory.Node
	conn Conn
	// facts are what Probe found last, kept up to date by the steps that change them; one step at a time works on a node.
	facts rollout.Facts
	// confirmed is the service as it was when it had become healthy.
	confirmed restart.State
	// guarded: the node is this run's, and nothing is switched on it where that has changed. Set once, also beside other steps.
	guarded atomic.Bool
	// out: it will not stage anything. Guarded by the fleet's lock.
	out bool
	// found is the set of packages that the node's prefix has and that no record is about; in-place alone has it.
	found foundSet
}

// Options are what a fleet is made from.
type Options struct {
	// Deployment is the id that is written on the nodes; By runs it, and Domain names the lock that it holds.
	Deployment string
	By         lock.Holder
	Domain     string
	Service    config.Service
	// Cache keeps the files of releases.
	Cache *bundle.Cache
	// Ahead: releases are staged for a later deployment.
	Ahead bool
	// Version is what was asked for, to be refused before anything is connected if it cannot be one; empty for any.
	Version string
	// Lock is the text of a lock made earlier; empty to resolve.
	Lock string
	// IndexPassword is the index's password or token; empty for none.
	IndexPassword string
	Nodes         []inventory.Node
	// Connect returns the connection to a node; it is made when it is first used.
	Connect func(inventory.Node) Conn
}

// New returns the fleet of a service. It fails on a package manager, package name, version or health check that cannot be.
func New(o Options) (*Fleet, error) {
	manager, err := pkgmgr.For(o.Service.Manager)
	if err != nil {
		return nil, err
	}
	if err := manager.CheckPackage(o.Service.Package); err != nil {
		return nil, err
	}
	if err := checkVersion(manager, o.Version); err != nil {
		return nil, err
	}
	if err := health.Validate(o.Service.Health.Checks); err != nil {
		return nil, err
	}
	f := &Fleet{
		service: o.Service, deployment: o.Deployment, manager: manager, cache: o.Cache, ahead: o.Ahead, nodes: map[string]*node{},
		locks: map[lockKey]*lockRead{}, bits: map[bitsKey]*bits{}, manifests: map[string]release.Manifest{}, deltas: map[string]release.Delta{},
	}
	holder, err := json.Marshal(o.By)
	if err != nil {
		return nil, err
	}
	// Two runs of one deployment are two, where nodes are concerned: the first may not be over when the second begins.
	f.guard = release.Guard{Deployment: o.Deployment + "." + rand.Text()[:6], Domain: o.Domain, Holder: string(holder)}
	f.source = pkgmgr.Source{
		Package: o.Service.Package, Index: o.Service.Index, User: o.Service.IndexAuth.User, Password: o.IndexPassword,
		Python: o.Service.Python, AllowSource: o.Service.AllowSource, AllowScripts: o.Service.AllowScripts,
	}
	f.layout = sideBySide{f}
	if o.Service.Layout == "in-place" {
		f.layout, f.service.Install = inPlace{f}, "each"
	}
	if o.Lock != "" {
		if err := f.readLockFile(o.Lock, o.Version); err != nil {
			return nil, err
		}
	}
	for _, n := range o.Nodes {
		f.order = append(f.order, n.Name)
		f.nodes[n.Name] = &node{Node: n, conn: o.Connect(n)}
	}
	return f, nil
}

var distTag = regexp.MustCompile(`^[A-Za-z][0-9A-Za-z._-]*$`)

// checkVersion refuses what can be neither a version nor, for npm, a dist-tag.
func checkVersion(manager pkgmgr.Manager, version string) error {
	if version == "" || manager.Name() == "npm" && distTag.MatchString(version) {
		return nil
	}
	_, err := manager.Normalize(version)
	return err
}

// installs tells whether the package manager has an index and installs on nodes; an archive's files come from this machine alone.
func (f *Fleet) installs() bool {
	_, ok := f.manager.(pkgmgr.Installer)
	return ok
}

// installer is the package manager of a fleet that installs.
func (f *Fleet) installer() pkgmgr.Installer { return f.manager.(pkgmgr.Installer) }

// run runs a script on a node and gives its errors a class.
func (f *Fleet) run(ctx context.Context, n *node, s shell.Script) (shell.Facts, error) {
	result, err := n.conn.Run(ctx, s)
	var exit *shell.ExitError
	switch {
	case err == nil:
		return result.Facts(), nil
	case errors.As(err, &exit):
		facts := exit.Result.Facts()
		return facts, &rollout.Failure{Class: rollout.Failed, Text: err.Error(), Hint: facts.Get("hint"), Log: log(facts, exit.Result), Err: err}
	default:
		return nil, failure(n.Name, err)
	}
}

// log picks the lines worth showing: the service's own, else the end of what the step said on standard error.
func log(facts shell.Facts, result shell.Result) []string {
	if lines := facts.All("log"); len(lines) > 0 {
		return lines
	}
	return lastLines(result.Stderr, 20)
}

// failure classes an error that is not a script's own. The node's name stands beside it wherever it is shown.
func failure(node string, err error) *rollout.Failure {
	var known *rollout.Failure
	if errors.As(err, &known) {
		return known
	}
	f := &rollout.Failure{Class: rollout.Failed, Text: strings.TrimPrefix(err.Error(), node+": "), Err: err}
	var unreachable *remote.UnreachableError
	if errors.As(err, &unreachable) {
		f.Text = fmt.Sprintf("%s: %v", unreachable.Phase, unreachable.Err)
		f.Class = rollout.Unreachable
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		f.Hint = hinted.Hint()
	}
	return f
}

// lost is the failure of a node whose connection was lost; nil for any other error, and for none.
func lost(node string, err error) *rollout.Failure {
	var unreachable *remote.UnreachableError
	if !errors.As(err, &unreachable) {
		return nil
	}
	return failure(node, err)
}

// record describes the release id as this deployment makes it.
func (f *Fleet) record(id string, n *node, lock pkgmgr.Lock) release.Record {
	return release.Record{
		ID: id, Service: f.service.Name, Package: f.service.Package, Manager: f.manager.Name(), Version: release.VersionOf(id),
		Platform: n.facts.Platform, Interpreter: n.facts.Interpreter, Lock: lock.Digest(), Staged: f.deployment, Ahead: f.ahead,
	}
}

// unfit tells whether the parts that a node put together did not make the release.
func unfit(err error) bool {
	var exit *shell.ExitError
	return errors.As(err, &exit) && exit.Result.Facts().Get("unfit") != ""
}

func (f *Fleet) node(name string) *node {
	n, ok := f.nodes[name]
	if !ok {
		panic(fmt.Sprintf("fleet: there is no node %q", name))
	}
	return n
}

func lastLines(text string, n int) []string {
	lines := strings.Split(strings.TrimRight(text, "\r\n\t "), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines[max(0, len(lines)-n):]
}
