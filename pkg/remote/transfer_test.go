package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/fleettest"
)

// pattern is a file of any size that takes no memory; it notes how far it was read.
type pattern struct {
	size int64
	read atomic.Int64 // bytes handed out
	far  atomic.Int64 // the furthest place
}

func (p *pattern) ReadAt(b []byte, at int64) (int, error) {
	n := int(min(int64(len(b)), p.size-at))
	for i := range n {
		place := at + int64(i)
		b[i] = byte(place>>16) ^ byte(place>>8) ^ byte(place)
	}
	p.read.Add(int64(n))
	for far := p.far.Load(); at+int64(n) > far && !p.far.CompareAndSwap(far, at+int64(n)); far = p.far.Load() {
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (p *pattern) sum(t *testing.T) [32]byte {
	t.Helper()
	return sumOf(t, io.NewSectionReader(&pattern{size: p.size}, 0, p.size))
}

func sumOf(t *testing.T, from io.Reader) [32]byte {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, from); err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

func fileSum(t *testing.T, name string) [32]byte {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return sumOf(t, file)
}

// transferNode is a node on a server with SFTP, and a file of it.
func transferNode(t *testing.T, config fleettest.SSHConfig) (*Node, *fleettest.SSHServer, string) {
	t.Helper()
	w := newWorld(t)
	config.Dir = t.TempDir()
	s := w.server(config)
	return w.dialer().Node(nodeOf("n1", s.Addr())), s, filepath.Join(config.Dir, "it's a bundle")
}

// several is more than what is on its way at once, and no multiple of anything.
const several = 8<<20 + 12345

func TestSendAndFetch(t *testing.T) {
	for _, size := range []int64{0, 1, 32 << 10, several} {
		n, _, file := transferNode(t, fleettest.SSHConfig{})
		source := &pattern{size: size}
		if err := n.Send(within(t, time.Minute), file, source, size); err != nil {
			t.Fatal(err)
		}
		if fileSum(t, file) != source.sum(t) {
			t.Errorf("what arrived of %d bytes is not what was sent", size)
		}
		var back bytes.Buffer
		if err := n.Fetch(within(t, time.Minute), file, &back); err != nil {
			t.Fatal(err)
		}
		if int64(back.Len()) != size || sumOf(t, &back) != source.sum(t) {
			t.Errorf("what came back of %d bytes is not what was sent", size)
		}
	}
}

// cuttingWriter cuts the connection when so many bytes have come.
type cuttingWriter struct {
	bytes.Buffer
	server *fleettest.SSHServer
	at     int
}

func (c *cuttingWriter) Write(p []byte) (int, error) {
	before := c.Len()
	n, err := c.Buffer.Write(p)
	if before < c.at && c.Len() >= c.at {
		c.server.Cut()
	}
	return n, err
}

func TestACutTransferGoesOn(t *testing.T) {
	for _, at := range []int64{100, 1 << 20, several / 2, several - 100_000} {
		n, server, file := transferNode(t, fleettest.SSHConfig{})
		source := &pattern{size: several}
		server.CutAfter(at)
		if err := n.Send(within(t, time.Minute), file, source, several); err != nil {
			t.Fatal(err)
		}
		if server.Logins() != 2 || fileSum(t, file) != source.sum(t) {
			t.Errorf("cut after %d: %d log-ins, or what arrived is not what was sent", at, server.Logins())
		}
		if most := int64(several + 3*transferOverlap); server.Sent() > most || source.read.Load() > most {
			t.Errorf("cut after %d: %d bytes travelled, and %d were read, for %d", at, server.Sent(), source.read.Load(), several)
		}
		back := &cuttingWriter{server: server, at: int(at)}
		if err := n.Fetch(within(t, time.Minute), file, back); err != nil {
			t.Fatal(err)
		}
		if server.Logins() != 3 || back.Len() != several || sumOf(t, &back.Buffer) != source.sum(t) {
			t.Errorf("fetch, cut after %d: %d log-ins, %d bytes, or they are not what was sent", at, server.Logins(), back.Len())
		}
	}
}

func TestALinkThatIsCutAgainAndAgainIsGivenUp(t *testing.T) {
	n, server, file := transferNode(t, fleettest.SSHConfig{})
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for sent := int64(-1); ; {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			if now := server.Sent(); now > sent+100_000 {
				server.Cut()
				sent = now
			}
		}
	}()
	err := n.Send(within(t, time.Minute), file, &pattern{size: 64 << 20}, 64<<20)
	contains(t, wantPhase(t, err, PhaseLost).Error(), "n1")
	if logins := server.Logins(); logins > transferTries {
		t.Errorf("%d log-ins", logins)
	}
}

// A node whose server is gone for good is unreachable, and is not asked for ever.
func TestANodeThatGoesAwayWhileSending(t *testing.T) {
	n, server, file := transferNode(t, fleettest.SSHConfig{})
	source := &slowly{pattern: pattern{size: several}, at: 1 << 20, do: func() { _ = server.Close() }}
	var unreachable *UnreachableError
	if err := n.Send(within(t, time.Minute), file, source, several); !errors.As(err, &unreachable) {
		t.Errorf("got %v", err)
	}
}

// slowly does something, once, when it has been read up to a place.
type slowly struct {
	pattern
	at   int64
	done atomic.Bool
	do   func()
}

func (s *slowly) ReadAt(b []byte, at int64) (int, error) {
	if at >= s.at && !s.done.Swap(true) {
		s.do()
	}
	return s.pattern.ReadAt(b, at)
}

// freezingWriter freezes the server with the first bytes that come.
type freezingWriter struct{ freeze func() }

func (f freezingWriter) Write(p []byte) (int, error) {
	f.freeze()
	return len(p), nil
}

func TestAFrozenServerEndsWithTheContext(t *testing.T) {
	for _, what := range []string{"send", "fetch", "begin"} {
		n, server, file := transferNode(t, fleettest.SSHConfig{})
		writeFile(t, file, string(make([]byte, several)))
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		frozen := make(chan struct{})
		freeze := func() {
			select {
			case <-frozen:
			default:
				server.Freeze()
				close(frozen)
			}
		}
		why := errors.New("asked to stop")
		result := make(chan error, 1)
		go func() {
			switch what {
			case "send":
				result <- n.Send(ctx, file, &slowly{pattern: pattern{size: several}, at: 1 << 20, do: freeze}, several)
			case "fetch":
				result <- n.Fetch(ctx, file, freezingWriter{freeze})
			default:
				if err := n.Connect(ctx); err != nil {
					t.Error(err)
				}
				freeze()
				result <- n.Send(ctx, file, &pattern{size: 1}, 1)
			}
		}()
		<-frozen
		time.Sleep(50 * time.Millisecond)
		select {
		case err := <-result:
			t.Errorf("%s: a frozen server took all: %v", what, err)
			continue
		default:
		}
		cancel(why)
		began := time.Now()
		err := <-result
		if took := time.Since(began); took > time.Second || !errors.Is(err, why) {
			t.Errorf("%s: after %s: %v", what, took, err)
		}
		server.Thaw()
	}
}

func TestAServerThatThawsLosesNothing(t *testing.T) {
	n, server, file := transferNode(t, fleettest.SSHConfig{})
	source := &slowly{pattern: pattern{size: several}, at: 1 << 20, do: func() {
		server.Freeze()
		time.AfterFunc(200*time.Millisecond, server.Thaw)
	}}
	if err := n.Send(within(t, time.Minute), file, source, several); err != nil {
		t.Fatal(err)
	}
	if fileSum(t, file) != source.sum(t) || server.Logins() != 1 {
		t.Errorf("%d log-ins, or what arrived is not what was sent", server.Logins())
	}
}

func TestWhatAServerRefuses(t *testing.T) {
	none, _, file := transferNode(t, fleettest.SSHConfig{NoSFTP: true})
	n, _, _ := transferNode(t, fleettest.SSHConfig{})
	var back bytes.Buffer
	for name, c := range map[string]struct {
		err         error
		says, hints string
	}{
		"send without SFTP":     {none.Send(within(t, time.Minute), file, &pattern{size: 10}, 10), "offers no SFTP", "Subsystem sftp internal-sftp"},
		"fetch without SFTP":    {none.Fetch(within(t, time.Minute), file, &back), "offers no SFTP", "install: each"},
		"a file that is gone":   {n.Fetch(within(t, time.Minute), file, &back), "not exist", ""},
		"a folder that is gone": {n.Send(within(t, time.Minute), "/no/such/folder/file", &pattern{size: 10}, 10), "not exist", ""},
	} {
		var refused *TransferError
		if !errors.As(c.err, &refused) || refused.Node != "n1" {
			t.Errorf("%s: got %v, want a TransferError of n1", name, c.err)
			continue
		}
		contains(t, c.err.Error(), "n1: ", c.says)
		contains(t, hint(c.err), c.hints)
	}
	// It is a finding about the server, not about the connection: the node can still be worked with.
	if _, err := none.Run(within(t, time.Minute), script("true\n")); err != nil {
		t.Error(err)
	}
}

func TestAFolderThatMayNotBeWritten(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	n, _, file := transferNode(t, fleettest.SSHConfig{})
	if err := os.Chmod(filepath.Dir(file), 0o500); err != nil {
		t.Fatal(err)
	}
	err := n.Send(within(t, time.Minute), file, &pattern{size: 10}, 10)
	contains(t, hint(err), "permissions")
}

// What is on its way is bounded, whatever the size: a server that reads nothing is sent no more than the window.
func TestMemoryIsBounded(t *testing.T) {
	const size = 256 << 20
	n, server, file := transferNode(t, fleettest.SSHConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	source := &slowly{pattern: pattern{size: size}, at: 4 << 20, do: server.Freeze}
	before := heap()
	result := make(chan error, 1)
	go func() { result <- n.Send(ctx, file, source, size) }()
	last := int64(-1)
	eventually(t, "it comes to a stand", func() bool {
		far := source.far.Load()
		stands := source.done.Load() && far == last
		last = far
		time.Sleep(100 * time.Millisecond)
		return stands
	})
	if ahead := last - server.Sent(); ahead > 8<<20 {
		t.Errorf("it read %d bytes ahead", ahead)
	}
	if more := heap() - before; more > 16<<20 {
		t.Errorf("%d bytes more are in memory", more)
	}
	cancel()
	if err := <-result; err == nil {
		t.Error("a frozen server took all")
	}
	server.Thaw()
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
