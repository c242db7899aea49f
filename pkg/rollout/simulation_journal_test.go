package rollout_test

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/rollout"
)

var errDisk = errors.New("no space left on device")

// simJournal is the journal of one deployment, through all of its runs. What is on disk survives a power cut.
type simJournal struct {
	world  *world
	id     string
	events []rollout.Event
	synced int
	// json takes every event through its line, as a file would.
	json bool
	// failed: it cannot be written any more in this run.
	failed bool
	// started is the last step of each node that has its line on disk, seen how many of the lines that is.
	started map[string]rollout.Step
	seen    int
}

// simWriter is one run's hand on the journal.
type simWriter struct {
	*simJournal
	by *deployer
}

// Append and Sync are called by the run; a dead deployer writes nothing any more.
func (j simWriter) Append(e rollout.Event) error {
	w := j.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if j.by.dead {
		return nil
	}
	if j.by.killedBefore(e) {
		return nil
	}
	if j.failed || j.by.draw(e.Node, "append "+string(e.Kind), w.faults.journal) {
		j.fail("append")
		return errDisk
	}
	j.events = append(j.events, j.copied(e))
	j.by.killAfter(e)
	return nil
}

func (j simWriter) Sync() error {
	w := j.world
	w.mu.Lock()
	upTo, dead := len(j.events), j.by.dead
	w.mu.Unlock()
	if dead {
		return nil
	}
	time.Sleep(time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case j.by.dead:
		return nil
	case j.failed || j.by.draw("", "sync", w.faults.journal):
		j.fail("sync")
		return errDisk
	}
	j.synced = max(j.synced, upTo)
	return nil
}

func (j simWriter) fail(what string) {
	if !j.failed {
		j.failed = true
		j.world.log(j.by, "", "journal", "", what+" fails")
		j.by.softEnded()
	}
}

// copied is what stands in the file: nothing of it changes with its sender.
func (j *simJournal) copied(e rollout.Event) rollout.Event {
	if j.json {
		text, err := json.Marshal(e)
		var read rollout.Event
		if err = errors.Join(err, json.Unmarshal(text, &read)); err != nil {
			j.world.problem("an event does not survive its line: %v", err)
		}
		return read
	}
	if e.Plan != nil {
		made := *e.Plan
		e.Plan = &made
	}
	return e
}

// announced tells whether the latest step of a node whose line is on disk is one of these.
func (j *simJournal) announced(node string, steps ...rollout.Step) bool {
	for ; j.seen < j.synced; j.seen++ {
		if e := j.events[j.seen]; e.Kind == rollout.StepStarted {
			j.started[e.Node] = e.Step
		}
	}
	for _, step := range steps {
		if j.started[node] == step {
			return true
		}
	}
	return false
}

// lose is a power cut: what is not on disk goes, all of it or some.
func (j *simJournal) lose(some uint64) {
	lost := len(j.events) - j.synced
	if lost > 0 {
		j.events = j.events[:j.synced+int(some%uint64(lost+1))]
	}
}

func (j *simJournal) fold() journal.Deployment { return journal.Fold(j.events) }
