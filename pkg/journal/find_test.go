package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollpin/rollpin/pkg/rollout"
)

func ids(all []Deployment) string {
	var out []string
	for _, d := range all {
		out = append(out, d.ID)
	}
	return strings.Join(out, " ")
}

func TestListIsTheNewestFirstAndNamesWhatIsBroken(t *testing.T) {
	dir := t.TempDir()
	for _, id := range []string{"1", "3", "2"} {
		write(t, dir, tell(id).begin(rollout.Started))
	}
	write(t, dir, tell("4")) // killed before its first line
	at := filepath.Join(dir, "production", "api")
	moved, err := os.ReadFile(filepath.Join(at, "1.jsonl"))
	err = errors.Join(err, os.WriteFile(filepath.Join(at, "5.jsonl"), []byte("{}\n{}\n"), 0o600), os.WriteFile(filepath.Join(at, "6.jsonl"), moved, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ environment, service, want string }{
		{"production", "api", "3 2 1"}, {"production", "", "3 2 1"}, {"", "", "3 2 1"}, {"staging", "api", ""}, {"production", "web", ""},
	} {
		all, err := List(dir, c.environment, c.service)
		if ids(all) != c.want {
			t.Errorf("%s %s: %s, want %s", c.environment, c.service, ids(all), c.want)
		}
		if told := err != nil && strings.Contains(err.Error(), "5.jsonl:1: ") && strings.Contains(err.Error(), "6.jsonl:1: it is of deployment 1"); told != (c.want != "") {
			t.Errorf("%s %s: error %v", c.environment, c.service, err)
		}
	}
	if all, err := List(filepath.Join(dir, "gone"), "", ""); err != nil || len(all) > 0 {
		t.Errorf("no directory: %v, %v", all, err)
	}
}

func TestMergeTakesTheMoreAdvanced(t *testing.T) {
	first := func() *story { return tell("D").begin(rollout.Started) }
	step := func(s *story) *story { return s.start("web-1", rollout.StepProbe, "") }
	trimmed := Fold(step(first()).events)
	trimmed.Trimmed = []string{"the steps of nodes"}
	for _, c := range []struct {
		name       string
		less, more Deployment
	}{
		{"more runs", Fold(step(first()).end(rollout.Mixed).events), Fold(first().begin(rollout.Resumed).events)},
		{"finished", Fold(step(step(step(first()))).events), Fold(first().end(rollout.Mixed).events)},
		{"more steps", Fold(first().events), trimmed},
		{"whole", trimmed, Fold(step(first()).events)},
	} {
		other := Fold(tell("E").begin(rollout.Started).events)
		for _, got := range [][]Deployment{Merge([]Deployment{c.less, other}, []Deployment{c.more}), Merge([]Deployment{c.more}, []Deployment{c.less, other})} {
			if ids(got) != "E D" || got[1].compare(c.more) != 0 || got[1].compare(c.less) == 0 {
				t.Errorf("%s: %s, %d events", c.name, ids(got), got[1].Events)
			}
		}
	}
}

func TestFind(t *testing.T) {
	made := func(id, command string, dry bool) Deployment {
		d := Fold(tell(id).begin(rollout.Started).events)
		d.Asked.Command, d.Asked.DryRun = command, dry
		return d
	}
	all := []Deployment{
		made("20261122T101500-EEEE", "stage", false), made("20261122T101400-DDDD", "deploy", true),
		made("20261121T101500-CCCC", "rollback", false), made("20261121T091500-BBBB", "deploy", false), made("20261120T101500-AAAA", "deploy", false),
	}
	for _, c := range []struct{ ref, want, hint string }{
		{"last", "20261121T101500-CCCC", ""},
		{"20261120", "20261120T101500-AAAA", ""},
		{"20261121t0", "20261121T091500-BBBB", ""},
		{"20261122T101500-EEEE", "20261122T101500-EEEE", ""},
		{"20261121", `"20261121" is the beginning of 2 deployments`, "20261121T101500-CCCC  rollback api 1.1.0 on production\n20261121T091500-BBBB  deploy api 1.1.0 on production"},
		{"20261120T101500-AAAB", `there is no deployment "20261120T101500-AAAB"`, "20261120T101500-AAAA  deploy api 1.1.0 on production"},
		{"x", `there is no deployment "x"`, "20261122T101500-EEEE  stage api 1.1.0 on production"},
		{"", `there is no deployment ""`, "20261122T101500-EEEE  stage api 1.1.0 on production"},
	} {
		d, err := Find(all, c.ref)
		got := d.ID
		if err != nil {
			got = err.Error()
		}
		var hinted interface{ Hint() string }
		if got != c.want || c.hint != "" && (!errors.As(err, &hinted) || !strings.HasPrefix(hinted.Hint(), c.hint)) {
			t.Errorf("%q: %s, want %s; hint of %v", c.ref, got, c.want, err)
		}
	}
	var unknown *UnknownError
	if _, err := Find(all[:2], "last"); !errors.As(err, &unknown) {
		t.Errorf("last of none: %v", err)
	}
}

func TestLastKnownGood(t *testing.T) {
	good := func(change func(*Deployment)) Deployment {
		d := Fold(tell("D").begin(rollout.Started, "web-1", "web-2").plan(oldID, []string{"web-1"}, "web-2").activate("web-1").end(rollout.Succeeded).events)
		change(&d)
		return d
	}
	for _, c := range []struct {
		name   string
		change func(*Deployment)
		want   bool
	}{
		{"succeeded", func(*Deployment) {}, true},
		{"every node ran it already", func(d *Deployment) { d.Status = rollout.Unchanged }, true},
		{"a node left out that was not asked", func(d *Deployment) { d.Nodes = append(d.Nodes, Node{Name: "web-3", Skipped: true}) }, true},
		{"a node left out that runs another release", func(d *Deployment) { d.Nodes = append(d.Nodes, Node{Skipped: true, Known: true, Runs: oldID}) }, false},
		{"two releases", func(d *Deployment) { d.Nodes[0].To, d.Nodes[0].Runs = oldID, oldID }, false},
		{"mixed", func(d *Deployment) { d.Status = rollout.Mixed }, false},
		{"restored", func(d *Deployment) { d.Status = rollout.Restored }, false},
		{"staged", func(d *Deployment) { d.Status = rollout.AllStaged }, false},
		{"unfinished", func(d *Deployment) { d.Status = "" }, false},
		{"a stage where every node ran it", func(d *Deployment) { d.Asked.Command, d.Status = "stage", rollout.Unchanged }, false},
		{"a dry run where every node ran it", func(d *Deployment) { d.Asked.DryRun, d.Status = true, rollout.Unchanged }, false},
		{"a part of the nodes", func(d *Deployment) { d.Asked.Partial = true }, false},
	} {
		older := good(func(d *Deployment) { d.ID = "C" })
		got, ok := LastGood([]Deployment{good(c.change), older})
		if want := map[bool]string{true: "D", false: "C"}[c.want]; !ok || got.ID != want {
			t.Errorf("%s: %s, want %s", c.name, got.ID, want)
		}
	}
	if _, ok := LastGood(nil); ok {
		t.Error("the last good one of none")
	}
}
