package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/shell"
)

const (
	one = "1.0.0-aaaaaaaa"
	two = "1.1.0-bbbbbbbb"
)

// node is a service's directory, and what it did with the last script.
type node struct {
	t     *testing.T
	path  string
	share string
	// tools is the PATH of its scripts; this process's own if empty.
	tools string
}

func newNode(t *testing.T) *node {
	return &node{t: t, path: filepath.Join(t.TempDir(), "srv", "api"), share: "copy"}
}

func (n *node) run(s shell.Script) (shell.Facts, error) {
	n.t.Helper()
	text, err := s.Text()
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.Command("sh")
	if n.tools != "" {
		cmd = exec.Command(n.tools + "/sh")
		cmd.Env = []string{"PATH=" + n.tools}
	}
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	facts := shell.ParseFacts(string(out))
	if reason := facts.Get("error"); err != nil && reason != "" {
		err = errors.New(reason)
	}
	return facts, err
}

// busyboxTools is a PATH with nothing but busybox in it, as on Alpine.
func busyboxTools(t *testing.T) string {
	t.Helper()
	tools := t.TempDir()
	if out, err := exec.Command("busybox", "--install", "-s", tools).CombinedOutput(); err != nil {
		t.Skipf("%v: %s", err, out)
	}
	if out, _ := exec.Command(tools+"/tar", "--help").CombinedOutput(); !strings.Contains(string(out), "-T") { // Alpine's has it, Debian's has not
		tar, tarErr := exec.LookPath("tar")
		real, err := exec.LookPath("busybox")
		if err := errors.Join(tarErr, err); err != nil {
			t.Skip(err)
		}
		text := "#!/bin/sh\ncase \" $* \" in *\" -T \"*) exec " + tar + " \"$@\" ;; *) exec " + real + " tar \"$@\" ;; esac\n"
		if err := errors.Join(os.Remove(tools+"/tar"), os.WriteFile(tools+"/tar", []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	return tools
}

func (n *node) must(s shell.Script) shell.Facts {
	n.t.Helper()
	facts, err := n.run(s)
	if err != nil {
		n.t.Fatalf("%s: %v", s.Name, err)
	}
	return facts
}

// files are what a release is made of: path to text, "-> TARGET" for a link, "/ MODE" for a directory. A ! before the text makes it executable.
type files map[string]string

// build makes a release, as its first node does.
func (n *node) build(id string, content files) release.Record {
	n.t.Helper()
	n.must(release.Prepare(n.path, id))
	for name, text := range content {
		n.put(id, name, text)
	}
	finish, err := release.Finish(n.path, release.Record{ID: id, Version: release.VersionOf(id), Package: "api"}, "lock of "+id, release.FileDate)
	if err != nil {
		n.t.Fatal(err)
	}
	record, err := release.ParseRecord(n.must(finish))
	if err != nil {
		n.t.Fatal(err)
	}
	return record
}

func (n *node) put(id, name, text string) {
	n.t.Helper()
	full := filepath.Join(n.path, "releases", id, name)
	err := os.MkdirAll(filepath.Dir(full), 0o755)
	var mode fs.FileMode
	switch target, isLink := strings.CutPrefix(text, "-> "); {
	case isLink:
		err = errors.Join(err, os.Symlink(target, full))
	case strings.HasPrefix(text, "/ "):
		_, scanErr := fmt.Sscanf(text, "/ %o", &mode)
		err = errors.Join(err, scanErr, os.MkdirAll(full, 0o755), os.Chmod(full, mode))
	default:
		text, executable := strings.CutPrefix(text, "!")
		mode = 0o644
		if executable {
			mode = 0o755
		}
		err = errors.Join(err, os.WriteFile(full, []byte(text), mode), os.Chmod(full, mode))
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// adopt takes a release of the node into the cache.
func (n *node) adopt(c *Cache, record release.Record) Info {
	n.t.Helper()
	info, err := c.Adopt(Info{Record: record, Date: release.FileDate, Lock: "lock of " + record.ID}, fromFile(n.pack(c, record.ID)))
	if err != nil {
		n.t.Fatal(err)
	}
	return info
}

func (n *node) pack(c *Cache, id string) string {
	n.t.Helper()
	packed, err := release.ParsePacked(n.must(release.Pack(n.path, id)))
	if err != nil {
		n.t.Fatal(err)
	}
	text, err := os.ReadFile(packed.File)
	if err != nil {
		n.t.Fatal(err)
	}
	return archiveFileOf(n.t, c, text)
}

// fromFile fetches from a file.
func fromFile(name string) func(io.Writer) error {
	return func(to io.Writer) error {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(to, file)
		return errors.Join(err, file.Close())
	}
}

// archiveFileOf is a file of the run.
func archiveFileOf(t *testing.T, c *Cache, text []byte) string {
	t.Helper()
	temp, err := c.Temp()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.CreateTemp(temp, "fetch-")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

// receive makes the release on the node out of a payload.
func (n *node) receive(info Info, p Payload) (shell.Facts, error) {
	n.t.Helper()
	text, err := os.ReadFile(p.File)
	if err != nil {
		n.t.Fatal(err)
	}
	if int64(len(text)) != p.Size {
		n.t.Fatalf("the payload has %d bytes, and says %d", len(text), p.Size)
	}
	if err := os.WriteFile(n.must(release.Admit(n.path, info.Record.ID, 0)).Get("incoming"), text, 0o644); err != nil {
		n.t.Fatal(err)
	}
	s, err := release.Receive(n.path, release.Received{Record: info.Record, SHA256: p.SHA256, Base: p.Base, Share: n.share, Date: info.Date})
	if err != nil {
		n.t.Fatal(err)
	}
	return n.run(s)
}

// manifest is that of a release that the node has.
func (n *node) manifest(id string) release.Manifest {
	n.t.Helper()
	m, err := release.ParseManifest(n.must(release.ReadManifest(n.path, id)).Text("manifest") + "\n")
	if err != nil {
		n.t.Fatal(err)
	}
	return m
}

// state is all that can be seen of a release, but its record: a line each.
func (n *node) state(id string) string {
	n.t.Helper()
	var seen strings.Builder
	root := filepath.Join(n.path, "releases", id)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		inner, _ := filepath.Rel(root, name)
		if err != nil || inner == "." || inner == "release.json" {
			return err
		}
		about, err := d.Info()
		if err != nil {
			return err
		}
		if target, err := os.Readlink(name); err == nil {
			fmt.Fprintf(&seen, "%q -> %q\n", inner, target)
			return nil
		}
		fmt.Fprintf(&seen, "%q %s %s", inner, about.Mode(), about.ModTime().UTC().Format(time.DateTime))
		if about.Mode().IsRegular() {
			text, err := os.ReadFile(name)
			fmt.Fprintf(&seen, " %q\n", text)
			return err
		}
		seen.WriteString("\n")
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return seen.String()
}

func (n *node) wantSame(other *node, id string) {
	n.t.Helper()
	if got, want := n.state(id), other.state(id); got != want {
		n.t.Errorf("the release is\n%s, not\n%s", got, want)
	}
}

// nothingLeft fails the test if a run left anything but the finished releases.
func (n *node) nothingLeft(finished int) {
	n.t.Helper()
	state, err := release.ParseState(n.must(release.Probe(n.path)))
	if err != nil {
		n.t.Fatal(err)
	}
	if len(state.Debris)+len(state.Leftovers) > 0 || len(state.Records) != finished {
		n.t.Errorf("left on the node: %+v", state)
	}
}

func open(t *testing.T, max int64) *Cache {
	t.Helper()
	c := Open(filepath.Join(t.TempDir(), "bundles"), max)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// noise is text that does not compress.
func noise(n int, seed byte) string {
	var text bytes.Buffer
	state := uint32(seed) + 1
	for text.Len() < n {
		state = state*1664525 + 1013904223
		text.WriteByte(byte(state >> 24))
	}
	return text.String()
}

// receiveElsewhere makes the release of a payload on a node that has nothing.
func (n *node) receiveElsewhere(info Info, p Payload) (release.Record, error) {
	n.t.Helper()
	facts, err := newNode(n.t).receive(info, p)
	if err != nil {
		return release.Record{}, err
	}
	return release.ParseRecord(facts)
}
