package lab

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// wire is a way to Consul that can be cut: it takes connections then, and nothing comes through.
type wire struct {
	listener net.Listener
	to       string
	dead     atomic.Bool
}

// wireTo makes a wire to an address of Consul's.
func wireTo(t *testing.T, url string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, to: strings.TrimPrefix(url, "http://")}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", w.to)
			if err != nil {
				near.Close()
				continue
			}
			go w.pass(far, near)
			go w.pass(near, far)
		}
	}()
	return w
}

// pass closes nothing while the wire is cut: neither side hears of it.
func (w *wire) pass(to, from net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		count, err := from.Read(buffer)
		if w.dead.Load() {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if _, writing := to.Write(buffer[:count]); err != nil || writing != nil {
			to.Close()
			from.Close()
			return
		}
	}
}

func (w *wire) url() string { return "http://" + w.listener.Addr().String() }

// TestConsulGone takes Consul from a deployer in the middle of a node, for good. Before anybody else can have the lock, it starts nothing more,
// brings the node to a safe end, and says why.
func TestConsulGone(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 3)
	site := l.shared(t, "gone", serial, nodes)
	consul := wireTo(t, l.Consul)
	site.Env = append(site.Env, "CONSUL_HTTP_ADDR="+consul.url())
	site.Run(t, "deploy", "web==1.0.0", "-e", "gone", "--strategy", "parallel").Expect(t, 0)
	each(nodes, func(_ int, n *Node) { stall(t, n, "1.1.0") })
	goOn(t, nodes[0])

	running := site.begin(t, "deploy", "web==1.1.0", "-e", "gone")
	running.await(t, "wave 2 of 3")
	awaitHeld(t, nodes[1])
	consul.dead.Store(true)
	began := time.Now()
	running.await(t, "is lost: it was not renewed for")
	within(t, "the lock to count as lost", began, 28*time.Second)
	lost := time.Now()
	if text, err := l.consulAPI(http.MethodGet, "kv/rollpin/gone/web/lock", ""); err != nil || !strings.Contains(text, `"Session"`) {
		t.Errorf("somebody else could have had the lock before: %s, %v", text, err)
	}
	ended := running.end()
	within(t, "the safe end", lost, 12*time.Second)
	ended.Expect(t, 4, "the fleet is mixed", "the lock of web on gone in Consul", "is lost: it was not renewed for 25s", "to go on:   rollpin resume ")
	ExpectTruth(t, "web", nodes, "1.1.0 1.0.0 1.0.0")
	said := readLastBlock(ended.Out)
	for i, want := range []string{"1.1.0", "1.0.0", "1.0.0"} {
		if got := said.runs[nodes[i].Name]; got != want {
			t.Errorf("the last block says that %s runs %q, not %q", nodes[i].Name, got, want)
		}
	}
	if got := nodes[2].starts(t); got != 0 {
		t.Errorf("%s was started %d times without a lock", nodes[2].Name, got)
	}

	// Without Consul it says so, in bounded time; with it, it goes on.
	began = time.Now()
	site.Run(t, "resume", "last", "web", "-e", "gone").Expect(t, 3, "no answer within")
	within(t, "resume without Consul", began, time.Minute)
	consul.dead.Store(false)
	each(nodes, func(_ int, n *Node) { goOn(t, n) })
	site.Run(t, "resume", "last", "web", "-e", "gone", "--wait", "1m").Expect(t, 0, "3 of 3")
	ExpectTruth(t, "web", nodes, "1.1.0 1.1.0 1.1.0")
	if got := nodes[0].starts(t); got != 1 {
		t.Errorf("what was done was done again: %d starts", got)
	}
}

// TestConsulLeader kills the leader of Consul's servers while a deployment runs. The lock outlives the election.
// It is not parallel: others would not see Consul for a moment.
func TestConsulLeader(t *testing.T) {
	l := lab(t)
	if !strings.Contains(l.Options, "3 servers") {
		t.Skip("the lab has one Consul server: scripts/lab up --servers 3")
	}
	nodes := l.Take(t, 3)
	site := l.shared(t, "leader", "{name: serial, bake: 4s}", nodes)
	leader := l.leader(t)
	site.Env = append(site.Env, fmt.Sprintf("CONSUL_HTTP_ADDR=http://10.77.0.%d:8500", leader%3+2))
	site.Run(t, "deploy", "web==1.0.0", "-e", "leader", "--strategy", "parallel").Expect(t, 0)

	running := site.begin(t, "deploy", "web==1.1.0", "-e", "leader")
	running.await(t, "must stay healthy")
	server := fmt.Sprintf("server-%d", leader)
	if out, err := l.call("break", server, "kill"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := l.call("heal", server); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		l.await(t, "a leader", "status/leader", ":8300")
		l.awaitAgents(t)
	})
	running.await(t, "wave 2 of 3")
	site.Run(t, "deploy", "web==1.7.0", "-e", "leader").Expect(t, 5)
	running.end().Expect(t, 0, "3 of 3")
	ExpectTruth(t, "web", nodes, "1.1.0 1.1.0 1.1.0")
	if d := site.elsewhere(t, "build-2").show(t, "leader"); d.Status != "succeeded" {
		t.Errorf("others see that it %s", d.Status)
	}
}
