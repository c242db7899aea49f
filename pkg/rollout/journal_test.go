package rollout

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rollpin/rollpin/pkg/config"
)

// fullJournal cannot be written any more once a node is to be switched.
type fullJournal struct {
	node string
	full bool
}

func (j *fullJournal) Append(e Event) error {
	j.full = j.full || e.Kind == StepStarted && e.Step == StepSwitch && e.Node == j.node
	return nil
}

func (j *fullJournal) Sync() error {
	if j.full {
		return errors.New("no space left on device")
	}
	return nil
}

// A node whose line could not be put on disk is not touched at all: there is nothing to put back.
func TestANodeThatTheJournalDoesNotHaveIsNotTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(3, oldID)
		d := deployment(f, func(d *Deployment) { d.Strategy.Batch = config.Size{N: 1} })
		o := Run(t.Context(), t.Context(), d, f, &fullJournal{node: "web-2"}, func(Event) {})
		for _, call := range f.calls {
			if strings.HasPrefix(call, "web-2 switch") || strings.HasPrefix(call, "web-2 restart") {
				t.Errorf("got %s", call)
			}
		}
		if n := o.Nodes[1]; o.Status != Mixed || n.Touched || !n.Known || n.Runs != oldID {
			t.Errorf("%s, %+v", o.Status, n)
		}
	})
}
