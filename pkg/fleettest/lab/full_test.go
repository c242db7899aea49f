package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestJournalDiskFull fills the disk of the journal at some moment: no node is touched that the journal does not have, those in flight come to a
// safe end, and it goes on once there is room.
func TestJournalDiskFull(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 3)
	site := l.Site(t, changed(t, "{canary: 1, bake: 1s, batch: 50%}", serial), nodes)
	// A full disk still takes what fits into the last page of a file. With such names that is never enough for the rest of a deployment.
	var names, all []string
	for i, n := range nodes {
		names = append(names, fmt.Sprintf("web-%d-%s", i+1, strings.Repeat("x", 240)))
		all = append(all, names[i]+" "+n.Zone)
	}
	named(t, site, nodes, all...)
	state := smallDisk(t, l)
	site.Env = append(site.Env, "XDG_STATE_HOME="+state)
	site.Run(t, "deploy", "web==1.0.0", "-e", "production", "--strategy", "parallel").Expect(t, 0)

	fill := filepath.Join(state, "fill")
	fillUp(t, fill)
	site.Run(t, "deploy", "web==1.1.0", "-e", "production").Expect(t, 3, state, "no space left on device", "hint: make room")
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0 1.0.0")
	emptied(t, fill)
	for _, c := range []struct {
		version, from string
		// The disk fills when this node begins this step.
		node int
		step string
	}{
		{"1.1.0", "1.0.0", 0, "stage"},
		{"1.0.0", "1.1.0", 0, "health"},
		{"1.1.0", "1.0.0", 1, "restart"},
	} {
		countStarts(t, nodes)
		full := false
		ended := site.Follow(t, func(line string, _ *os.Process) {
			if strings.Contains(line, names[c.node]) && strings.HasSuffix(line, " "+c.step+" …") && !full {
				full = true
				fillUp(t, fill)
			}
		}, "deploy", "web=="+c.version, "-e", "production", "-v")
		t.Logf("full at %s of node %d\n%s", c.step, c.node+1, strings.ReplaceAll(ended.Text, strings.Repeat("x", 240), ""))
		journal, said := lastJournal(t, state), readLastBlock(ended.Out)
		touched, mixed := false, false
		for i, n := range nodes {
			truth, starts := n.Truth("web"), n.starts(t)
			touched, mixed = touched || starts > 0, mixed || truth != c.from
			if starts > 0 && !regexp.MustCompile(`"step-started".*"node":"`+names[i]+`","step":"switch"`).MatchString(journal) {
				t.Errorf("node %d was touched, and the journal has nothing of it", i+1)
			}
			if got := said.runs[names[i]]; got != truth {
				t.Errorf("the last block says that node %d runs %q, not %q", i+1, got, truth)
			}
		}
		status := 3
		switch {
		case mixed:
			status = 4
		case touched:
			status = 1
		}
		ended.Expect(t, status, "the journal "+state, "no space left on device", "hint: make room there, or keep journals elsewhere: XDG_STATE_HOME=DIRECTORY")
		emptied(t, fill)
		site.Run(t, "resume", "last").Expect(t, 0, "3 of 3")
		ExpectTruth(t, "web", nodes, c.version+" "+c.version+" "+c.version)
	}
}

// smallDisk is a directory with room for a few journals, of its own.
func smallDisk(t *testing.T, l *Lab) string {
	t.Helper()
	dir, err := os.MkdirTemp(l.Dir, "state-") // where scripts/lab down finds it, too
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("rollpin-test", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(syscall.Unmount(dir, syscall.MNT_DETACH), os.Remove(dir)); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func fillUp(t *testing.T, name string) {
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the disk is not full: %v", err)
	}
}

func emptied(t *testing.T, name string) {
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// lastJournal is the text of the newest journal of web.
func lastJournal(t *testing.T, state string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(state, "rollpin/journal/production/web/*.jsonl"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no journal below %s: %v", state, err)
	}
	text, err := os.ReadFile(slices.Max(names))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
