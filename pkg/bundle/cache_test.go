package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/release"
)

// another is the cache as a later run opens it.
func another(t *testing.T, c *Cache, max int64) *Cache {
	t.Helper()
	next := Open(c.Dir(), max)
	t.Cleanup(func() {
		if err := next.Close(); err != nil {
			t.Error(err)
		}
	})
	return next
}

// filled is a cache of bundles 1 to count, each a little larger than 10 kB, that a run before this one used in that order.
func filled(t *testing.T, count int) (*Cache, []Info) {
	t.Helper()
	c := open(t, 1<<30)
	n := newNode(t)
	infos := make([]Info, count)
	for i := range infos {
		infos[i] = n.adopt(c, n.build(fmt.Sprintf("1.%d.0-0000000%d", i+1, i), files{"big": noise(10_000, byte(i))}))
		used(t, c, infos[i], time.Duration(i-count)*time.Hour)
	}
	return another(t, c, 1<<30), infos
}

func used(t *testing.T, c *Cache, info Info, ago time.Duration) {
	t.Helper()
	at := time.Now().Add(ago)
	if err := os.Chtimes(filepath.Join(c.Dir(), info.Digest(), infoFile), at, at); err != nil {
		t.Fatal(err)
	}
}

// held are the versions whose archives are in the cache, the last used first; those without an archive are in brackets.
func held(t *testing.T, c *Cache) string {
	t.Helper()
	all, err := c.List()
	if err != nil {
		t.Fatal(err)
	}
	return versions(all)
}

func versions(all []Info) string {
	var names []string
	for _, info := range all {
		name := strings.TrimSuffix(strings.TrimPrefix(info.Record.Version, "1."), ".0")
		if !info.HasArchive {
			name = "(" + name + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func TestWhatIsAdoptedIsFoundAgain(t *testing.T) {
	c, infos := filled(t, 2)
	found := c.Find(func(i Info) bool { return i.Record.Version == "1.2.0" })
	if len(found) != 1 || found[0].Digest() != infos[1].Digest() || found[0].Files != 2 || found[0].Bytes < 10_000 || found[0].Lock != "lock of 1.2.0-00000001" {
		t.Fatalf("found %+v", found)
	}
	if err := c.Use(found[0]); err != nil {
		t.Error(err)
	}
	if m, err := c.Manifest(found[0].Digest()); err != nil || len(m.Entries) != 2 {
		t.Errorf("its manifest has %d entries: %v", len(m.Entries), err)
	}
	for _, foreign := range []string{"README", ".run-", strings.Repeat("ab", 32), strings.Repeat("cd", 32)} {
		if err := os.MkdirAll(filepath.Join(c.Dir(), foreign), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(c.Dir(), strings.Repeat("cd", 32), infoFile), []byte(`{"schema": 7}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := held(t, c); got != "2 1" {
		t.Errorf("beside what is no bundle: %s", got)
	}
	if left, _ := Open(filepath.Join(t.TempDir(), "none"), 1).List(); len(left) != 0 {
		t.Errorf("a cache that is not there holds %v", left)
	}
}

func TestEviction(t *testing.T) {
	_, sizes := filled(t, 1)
	room := sizes[0].Packed + 100
	for name, c := range map[string]struct {
		max  int64
		use  []int // which this run uses
		want string
	}{
		"room for all":                       {5 * room, nil, "4 3 2 1"},
		"room for two":                       {2 * room, nil, "4 3 (2) (1)"},
		"room for none":                      {0, nil, "(4) (3) (2) (1)"},
		"what was used last stays":           {2 * room, []int{1}, "1 4 (3) (2)"},
		"what this run uses stays":           {0, []int{1, 3}, "3 1 (4) (2)"},
		"what it uses, and then the newest":  {3 * room, []int{2, 1}, "1 2 4 (3)"},
		"just too little for what it uses":   {room, []int{1, 2}, "2 1 (4) (3)"},
		"an older, smaller one is no better": {room, nil, "4 (3) (2) (1)"},
	} {
		cache, infos := filled(t, 4)
		for _, i := range c.use {
			time.Sleep(2 * time.Millisecond) // the order of use is that of dates
			if err := cache.Use(infos[i-1]); err != nil {
				t.Fatal(err)
			}
		}
		removed, err := cache.Prune(c.max, false)
		if got := held(t, cache); got != c.want || err != nil {
			t.Errorf("%s: %s stays, not %s; %v", name, got, c.want, err)
		}
		if want := strings.Count(c.want, "("); len(removed) != want {
			t.Errorf("%s: %d removed are told, not %d", name, len(removed), want)
		}
		for _, info := range infos { // the lock is still to be had
			if found := cache.Find(func(i Info) bool { return i.Digest() == info.Digest() }); len(found) != 1 || found[0].Lock == "" {
				t.Errorf("%s: the lock of %s is lost", name, info.Record.ID)
			}
		}
	}
}

func TestAdoptMakesRoom(t *testing.T) {
	before, infos := filled(t, 3)
	c := another(t, before, 2*infos[0].Packed+200)
	n := newNode(t)
	n.adopt(c, n.build("1.9.0-99999999", files{"big": noise(10_000, 9)}))
	if got := held(t, c); got != "9 3 (2) (1)" {
		t.Errorf("the cache holds %s", got)
	}
	// What was evicted comes back whole.
	again := n.adopt(c, n.build("1.1.0-00000000", files{"big": noise(10_000, 0)}))
	if got := held(t, c); again.Digest() != infos[0].Digest() || got != "1 9 (3) (2)" {
		t.Errorf("%.8s came back, not %.8s; the cache holds %s", again.Digest(), infos[0].Digest(), got)
	}
}

func TestPrune(t *testing.T) {
	c, infos := filled(t, 3)
	if err := c.Use(infos[0]); err != nil {
		t.Fatal(err)
	}
	mine, err := c.Temp()
	if err != nil {
		t.Fatal(err)
	}
	old, young := filepath.Join(c.Dir(), tempPrefix+"old"), filepath.Join(c.Dir(), tempPrefix+"young")
	long := time.Now().Add(-2 * staleRun)
	err = errors.Join(os.MkdirAll(filepath.Join(old, "put-1"), 0o700), os.WriteFile(filepath.Join(old, "fetch-1"), []byte("x"), 0o600),
		os.Chtimes(old, long, long), os.Mkdir(young, 0o700))
	if err != nil {
		t.Fatal(err)
	}
	removed, err := c.Prune(0, true)
	if got := versions(removed); err != nil || got != "3 2" {
		t.Errorf("removed are told: %s; %v", got, err)
	}
	if got := held(t, c); got != "1" {
		t.Errorf("the cache holds %s", got)
	}
	for name, want := range map[string]bool{old: false, young: true, mine: true} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if removed, err := Open(filepath.Join(t.TempDir(), "none"), 0).Prune(0, true); err != nil || len(removed) > 0 {
		t.Errorf("a cache that is not there: %v, %v", removed, err)
	}
}

// A deployer that was killed leaves its files; the runs of the next day clear them away, and nobody has to prune.
func TestFilesOfDeadRunsGo(t *testing.T) {
	c, _ := filled(t, 1)
	dead := filepath.Join(c.Dir(), tempPrefix+"dead")
	long := time.Now().Add(-2 * staleRun)
	if err := errors.Join(os.Mkdir(dead, 0o700), os.WriteFile(filepath.Join(dead, "fetch-1"), []byte("x"), 0o600), os.Chtimes(dead, long, long)); err != nil {
		t.Fatal(err)
	}
	if _, err := another(t, c, 1).Temp(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("they are still there")
	}
}

func TestACorruptedArchiveIsNoticed(t *testing.T) {
	for name, harm := range map[string]func(archive string) error{
		"a flipped byte": func(archive string) error {
			text, err := os.ReadFile(archive)
			text[len(text)/2] ^= 1
			return errors.Join(err, os.WriteFile(archive, text, 0o600))
		},
		"cut":  func(archive string) error { return os.Truncate(archive, 100) },
		"gone": os.Remove,
	} {
		c, infos := filled(t, 2)
		if err := harm(filepath.Join(c.Dir(), infos[0].Digest(), archiveFile)); err != nil {
			t.Fatal(err)
		}
		for range 2 { // it does not become better by asking twice
			if err := c.Use(infos[0]); err == nil {
				t.Errorf("%s: it is used", name)
			}
		}
		for _, found := range c.Find(func(i Info) bool { return i.Digest() == infos[0].Digest() }) {
			if found.HasArchive {
				t.Errorf("%s: it is offered again", name)
			}
		}
		n := newNode(t)
		again := n.adopt(c, n.build("1.1.0-00000000", files{"big": noise(10_000, 0)}))
		if err := c.Use(again); err != nil || !again.HasArchive || again.Digest() != infos[0].Digest() {
			t.Errorf("%s: its successor: %+v, %v", name, again, err)
		}
		if _, err := n.receiveElsewhere(again, c.Whole(again)); err != nil {
			t.Errorf("%s: what is sent then: %v", name, err)
		}
	}
}

// Whatever stands at a bundle's place, a new one with the same digest can take it.
func TestADamagedBundleIsReplaced(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"info that is none":    func(dir string) error { return os.WriteFile(dir+"/"+infoFile, []byte("{"), 0o600) },
		"empty info":           func(dir string) error { return os.WriteFile(dir+"/"+infoFile, nil, 0o600) },
		"no info":              func(dir string) error { return os.Remove(dir + "/" + infoFile) },
		"info of another kind": func(dir string) error { return os.WriteFile(dir+"/"+infoFile, []byte(`{"schema": 0}`), 0o600) },
		"no archive":           func(dir string) error { return os.Remove(dir + "/" + archiveFile) },
		"a changed manifest":   func(dir string) error { return os.WriteFile(dir+"/"+manifestOf, []byte("d\t755\t./x\n"), 0o600) },
		"no manifest":          func(dir string) error { return os.Remove(dir + "/" + manifestOf) },
		"nothing":              func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)) },
	} {
		c, infos := filled(t, 1)
		if err := harm(filepath.Join(c.Dir(), infos[0].Digest())); err != nil {
			t.Fatal(err)
		}
		n := newNode(t)
		again := n.adopt(c, n.build("1.1.0-00000000", files{"big": noise(10_000, 0)}))
		if m, err := c.Manifest(again.Digest()); err != nil || m.Digest() != infos[0].Digest() || held(t, c) != "1" {
			t.Errorf("%s: %v, the cache holds %s", name, err, held(t, c))
		}
	}
}

// Two kinds of node may come to the same bits; each keeps its own record.
func TestTheSameBitsOfTwoPlatforms(t *testing.T) {
	c := open(t, 1<<30)
	n := newNode(t)
	record := n.build(one, files{"m.js": "1"})
	record.Platform = "linux-x64-node18"
	n.adopt(c, record)
	record.Platform = "linux-x64-node20"
	if info := n.adopt(c, record); info.Record.Platform != "linux-x64-node20" || info.Record != record {
		t.Errorf("the second kind of node gets the record %+v", info.Record)
	}
}

// Runs of the same moment, as threads and as processes would, put and use and evict in one directory.
func TestManyRunsInOneDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bundles")
	builder := newNode(t)
	sources := make([]release.Record, 3)
	archives := make([][]byte, len(sources))
	scratch := open(t, 1<<30)
	for i := range sources {
		id := fmt.Sprintf("1.%d.0-0000000%d", i, i)
		sources[i] = builder.build(id, files{"big": noise(10_000, byte(i))})
		text, err := os.ReadFile(builder.pack(scratch, id))
		if err != nil {
			t.Fatal(err)
		}
		archives[i] = text
	}
	caches := []*Cache{Open(dir, 1<<30), Open(dir, 1<<30)}
	var group sync.WaitGroup
	for round := range 20 {
		for _, c := range caches {
			group.Go(func() {
				i := round % len(sources)
				info, err := c.Adopt(Info{Record: sources[i]}, fromFile(archiveFileOf(t, c, archives[i])))
				if err != nil {
					t.Errorf("adopt: %v", err)
					return
				}
				if err := c.Use(info); err != nil {
					t.Errorf("use: %v", err)
				}
				if sum, err := fileDigest(c.Whole(info).File); err != nil || sum != info.SHA256 {
					t.Errorf("its archive: %v", err)
				}
				if _, err := c.List(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
	if got, _ := caches[0].List(); len(got) != len(sources) {
		t.Errorf("the cache holds %s", versions(got))
	}
	for _, c := range caches {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, tempPrefix+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
