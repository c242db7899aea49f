package rollout

import (
	"context"

	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/restart"
)

// Fleet is what a rollout asks of nodes; they are called by name. Every method returns within a second of its context's end.
// An error that is a *Failure says what kind of failure it is; any other counts as Failed.
type Fleet interface {
	// Probe learns what is true on a node, in one command that writes nothing.
	Probe(ctx context.Context, node string) (Facts, error)
	// Same tells whether two spellings are one version.
	Same(a, b string) bool
	// Resolve decides on the release that is wanted, given what was found on the nodes.
	Resolve(ctx context.Context, w Wanted, found map[string]Facts) (Release, error)
	// Remembered returns the release of a version that is kept outside of the nodes, for all platforms of found; empty for none.
	Remembered(version string, found map[string]Facts) string
	// Guard makes the node this deployment's own, or keeps it so; it fails with a *GuardedError where it is another one's.
	Guard(ctx context.Context, node string) error
	// Stage puts a release on a node beside the running one and verifies it. It tells how.
	Stage(ctx context.Context, node string, s StageTask) (Staged, error)
	// Switch makes a staged release current: old or new, nothing between. It refuses a node that is guarded no more, and so does Withdraw.
	Switch(ctx context.Context, node string, s Switch) error
	// Restart makes the service take up the current release, and sees that it holds.
	Restart(ctx context.Context, node string) error
	// Healthy waits until the node is healthy with the release id; Check asks once.
	Healthy(ctx context.Context, node, id string) error
	Check(ctx context.Context, node, id string) error
	// Confirm remembers on the node that id was seen healthy.
	Confirm(ctx context.Context, node, id string) error
	// Withdraw leaves the node without a current release, and stops the service where that can be done.
	Withdraw(ctx context.Context, node string) (stopped bool, err error)
	// Settle gives the node's guard back, and before that removes old releases if prune.
	Settle(ctx context.Context, node string, prune bool) error
}

// Wanted says which release is meant.
type Wanted struct {
	// Version is empty for the newest.
	Version string
	// Release is the id that it must be; empty for any of the version.
	Release string
}

// Facts are what preflight found on a node.
type Facts struct {
	release.State
	// Platform is the node's fingerprint: nodes with the same one take the same files.
	Platform string
	// Interpreter is the program on the node that releases are built for; empty where any will do.
	Interpreter string
	// Service is what the service manager says.
	Service restart.State
	// Busy is another deployment that has the node at the moment, unless it is known to be dead; nil for none.
	Busy *lock.Holder
	// Problems are reasons not to deploy to the node.
	Problems []Problem
}

// Problem is a reason not to deploy, and what to do about it.
type Problem struct {
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// Runs tells whether the node runs release id: current, seen healthy since the switch, and not known to be down.
func (f Facts) Runs(id string) bool {
	return id != "" && f.Current == id && f.Confirmed == id && f.Service.Name != "stopped" && f.Service.Name != "failed"
}

// Release is what a deployment takes its nodes to.
type Release struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	// Packages is the number of packages in the lock; 0 where the lock was not looked at.
	Packages int `json:"packages,omitempty"`
	// Changes are the packages that differ from the release that most nodes run; Files how the files differ, nil where that is not known yet.
	Changes []pkgmgr.Change  `json:"changes,omitempty"`
	Files   *release.Changes `json:"files,omitempty"`
	// Notes are things worth saying of how it was chosen.
	Notes []string `json:"notes,omitempty"`
}

// StageTask is what is put on nodes.
type StageTask struct {
	// Release is its id.
	Release string
	// Nodes get it in this run, in the order of the plan.
	Nodes []string
	// Found are the facts of all nodes.
	Found map[string]Facts
}

// Staged is how a release came to a node.
type Staged struct {
	// How is "present", "built" or "sent".
	How string `json:"how"`
	// Sent is how many bytes went to the node, Bytes the size of the release's files; 0 where that was not looked at.
	Sent  int64 `json:"sent,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	// Shared is the release on the node whose files were taken; empty where all was sent.
	Shared string `json:"shared,omitempty"`
}

// Switch says what becomes current.
type Switch struct {
	To string
	// Deployment that activates To; empty when a node goes back, which leaves the record of To as it was.
	Deployment string
	// Previous is recorded as To's predecessor, unless KeepPrevious: then the recorded one stays.
	Previous     string
	KeepPrevious bool
}
