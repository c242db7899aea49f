package fleet

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/remote"
	"github.com/rollpin/rollpin/pkg/restart"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

// fakeConn is a connection that answers as the test says.
type fakeConn struct {
	run  func(ctx context.Context, s shell.Script) (shell.Result, error)
	dial func(ctx context.Context) (net.Conn, error)
}

func (c fakeConn) Run(ctx context.Context, s shell.Script) (shell.Result, error) {
	return c.run(ctx, s)
}

func (fakeConn) Send(context.Context, string, io.ReaderAt, int64) error {
	return errors.New("nothing can be sent")
}
func (fakeConn) Fetch(context.Context, string, io.Writer) error {
	return errors.New("nothing can be fetched")
}

func (c fakeConn) DialContext(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) }

func TestCheckTellsTheNodeFromTheService(t *testing.T) {
	gone := &remote.UnreachableError{Node: "web-1", Phase: remote.PhaseLost, Err: errors.New("EOF")}
	forbidden := &remote.ForwardError{Node: "web-1", Address: "127.0.0.1:80", Err: errors.New("prohibited")}
	manager, err := pkgmgr.For("pip")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		unchecked bool  // the service has no health check
		dial, run error // what the node answers
		class     rollout.Class
		text      string
	}{
		{name: "well"},
		{name: "nobody listens", dial: errors.New("connection refused"), class: rollout.Unhealthy, text: "connection refused"},
		{name: "the connection is lost", dial: gone, run: gone, class: rollout.Unreachable, text: "connection lost: EOF"},
		{name: "the node was silent before it was found lost", dial: errors.New("no answer"), run: gone,
			class: rollout.Unreachable, text: "no answer; and the node is gone: connection lost: EOF"},
		{name: "the node forbids the check", dial: forbidden, class: rollout.Failed, text: "forbidden"},
		{name: "nothing is checked, and the connection is lost", unchecked: true, run: gone, class: rollout.Unreachable, text: "connection lost: EOF"},
	} {
		f := &Fleet{manager: manager, service: config.Service{Restart: config.Restart{Kind: "systemd", Name: "api.service"}}}
		f.service.Timeouts.Restart = time.Minute
		if !c.unchecked {
			f.service.Health.Checks = []config.Check{{Kind: "tcp", Target: "127.0.0.1:80"}}
		}
		f.nodes = map[string]*node{"web-1": {Node: inventory.Node{Name: "web-1"}, confirmed: restart.State{PID: 7}, conn: fakeConn{
			run: func(context.Context, shell.Script) (shell.Result, error) {
				return shell.Result{Stdout: "::state running\n::pid 7\n::log its last line\n"}, c.run
			},
			dial: func(context.Context) (net.Conn, error) {
				if c.dial != nil {
					return nil, c.dial
				}
				near, _ := net.Pipe()
				return near, nil
			},
		}}}
		err := f.Check(t.Context(), "web-1", id)
		var failure *rollout.Failure
		if !errors.As(err, &failure) {
			if err != nil || c.class != "" {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if failure.Class != c.class || !strings.Contains(failure.Text, c.text) {
			t.Errorf("%s: %s %q, want %s %q", c.name, failure.Class, failure.Text, c.class, c.text)
		}
		if c.class == rollout.Unhealthy && len(failure.Log) != 1 {
			t.Errorf("%s: the log is %q", c.name, failure.Log)
		}
	}
}
