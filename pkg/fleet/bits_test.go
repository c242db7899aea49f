package fleet

import (
	"testing"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// The first node of the plan builds for all. Where it is lost before it begins, the next one must not wait for it.
func TestNobodyWaitsForANodeThatIsOut(t *testing.T) {
	f, err := New(Options{
		Service: config.Service{Name: "api", Package: "acme-api", Manager: "pip"},
		Nodes:   []inventory.Node{{Name: "web-1"}, {Name: "web-2"}},
		Connect: func(inventory.Node) Conn { return fakeConn{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	task := rollout.StageTask{Release: id, Nodes: []string{"web-1", "web-2"}}
	second := f.node("web-2")
	key := f.bitsKey(second, id)
	_, turn, changed := f.turn(key, second, task)
	if turn || changed == nil {
		t.Fatal("the second node of the plan does not wait for the first")
	}
	f.leaveOut(f.node("web-1"))
	select {
	case <-changed:
	default:
		t.Fatal("nobody was told that the first node is out")
	}
	if _, turn, _ := f.turn(key, second, task); !turn {
		t.Error("the second node waits for one that is out")
	}
}
