package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollpin/rollpin/pkg/rollout"
)

// write makes the journal of a story and returns its name.
func write(t testing.TB, dir string, s *story) string {
	t.Helper()
	w, err := Create(dir, "production", "api", s.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.events {
		if err := w.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Name()
}

func sample() *story {
	return tell("20261121T101500-ABCD").begin(rollout.Started, "web-1", "web-2").plan(oldID, []string{"web-1", "web-2"}).
		activate("web-1").fail("web-2", rollout.StepHealth, newID).end(rollout.Mixed)
}

func TestWhatIsReadIsWhatWasWritten(t *testing.T) {
	s := sample()
	read, err := Load(write(t, t.TempDir(), s))
	read.File = ""
	told := Fold(s.events)
	want, _ := json.Marshal(told)
	if got, _ := json.Marshal(read); err != nil || !bytes.Equal(got, want) {
		t.Errorf("error %v; read\n%s\nwant\n%s", err, got, want)
	}
}

func TestAJournalIsNeverMadeTwice(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, sample())
	if _, err := Create(dir, "production", "api", sample().id); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made again: %v", err)
	}
}

func TestGoingOnBehindATornLine(t *testing.T) {
	for _, torn := range []string{"", `{"schema":1,"se`, "\x00\x00\x00\n", `{"schema":1,"seq":3,"event":"note","deployment":"D"}`} {
		dir := t.TempDir()
		s := tell("D").begin(rollout.Started).add(rollout.Event{Kind: rollout.Note, Text: "one"})
		name := write(t, dir, s)
		file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(torn); err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		if before, err := Load(name); err != nil || before.Events != 2 {
			t.Errorf("%q: read %d events: %v", torn, before.Events, err)
		}
		w, err := Open(dir, "production", "api", "D")
		if err != nil {
			t.Fatalf("%q: %v", torn, err)
		}
		if err := errors.Join(w.Append(tell("D").begin(rollout.Resumed).events[0]), w.Close()); err != nil {
			t.Fatal(err)
		}
		if d, err := Load(name); err != nil || d.Events != 3 || len(d.Runs) != 2 {
			t.Errorf("%q: %d events in %d runs: %v", torn, d.Events, len(d.Runs), err)
		}
	}
}

// disk is a file whose sync takes a while, and fails when told to.
type disk struct {
	mu    sync.Mutex
	syncs int
	fail  error
	full  bool
}

func (d *disk) Write(text []byte) (int, error) {
	if d.full {
		return 0, syscall.ENOSPC
	}
	return len(text), nil
}

func (d *disk) Sync() error {
	time.Sleep(10 * time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	return d.fail
}

func (d *disk) Close() error { return nil }

func TestOneSyncServesAllThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		w := newWriter("journal", d, 0)
		began := time.Now()
		var append sync.Mutex
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				append.Lock()
				err := w.Append(rollout.Event{Kind: rollout.Note})
				append.Unlock()
				if err := errors.Join(err, w.Sync()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); d.syncs > 2 || took > 20*time.Millisecond {
			t.Errorf("%d syncs in %s", d.syncs, took)
		}
	})
}

func TestAFailureStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name   string
			broken *disk
		}{{"sync", &disk{fail: syscall.EIO}}, {"write", &disk{full: true}}} {
			w := newWriter("/state/journal", c.broken, 0)
			first := errors.Join(w.Append(rollout.Event{}))
			if first == nil {
				first = w.Sync()
			}
			c.broken.mu.Lock()
			c.broken.fail, c.broken.full = nil, false
			c.broken.mu.Unlock()
			for _, err := range []error{w.Append(rollout.Event{}), w.Sync(), w.Close()} {
				if err == nil || !strings.HasSuffix(first.Error(), err.Error()) {
					t.Errorf("%s: after %q came %v", c.name, first, err)
				}
			}
			var e *Error
			if !errors.As(first, &e) || !strings.Contains(first.Error(), "/state/journal") || !strings.Contains(e.Hint(), "XDG_STATE_HOME=") {
				t.Errorf("%s: %v", c.name, first)
			}
		}
	})
}

func TestNamesAreNoPaths(t *testing.T) {
	for _, name := range []string{"..", ".", "a/b", "%2E", ".hidden", "api", "@acme/web"} {
		got := File("/j", name, "api", "D")
		if strings.Count(got, "/") != 4 || strings.Contains(got, "..") {
			t.Errorf("%q: %s", name, got)
		}
		if back, ok := unescape(escape(name)); !ok || back != name {
			t.Errorf("%q came back as %q", name, back)
		}
	}
	if _, ok := unescape("."); ok {
		t.Error("a directory that no name has")
	}
}
