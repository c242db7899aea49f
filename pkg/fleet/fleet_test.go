package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/health"
	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/restart"
	"github.com/rollpin/rollpin/pkg/rollout"
	"github.com/rollpin/rollpin/pkg/shell"
)

const id = "1.1.0-bbbbbbbb"

func facts(change func(*rollout.Facts)) rollout.Facts {
	f := rollout.Facts{Service: restart.State{Name: "running", Started: time.Unix(1010, 0)}}
	f.State = release.State{Current: id, Confirmed: id, Switched: 1000, Records: map[string]release.Record{id: {ID: id}, "1.0.0-aaaaaaaa": {}}}
	if change != nil {
		change(&f)
	}
	return f
}

func TestStatusSeesWhatDoesNotFit(t *testing.T) {
	well := []health.Answer{{OK: true, Text: "200"}}
	for _, c := range []struct {
		name    string
		facts   rollout.Facts
		answers []health.Answer
		restart config.Restart
		fault   string
	}{
		{name: "all well", facts: facts(nil), answers: well},
		{name: "never deployed", facts: facts(func(f *rollout.Facts) { f.State = release.State{} })},
		{name: "half way", facts: facts(func(f *rollout.Facts) { f.Confirmed = "" }), fault: "not seen healthy since"},
		{name: "an old process", facts: facts(func(f *rollout.Facts) { f.Service.Started = time.Unix(900, 0) }), fault: "older than the link"},
		{name: "clocks cut to the second", facts: facts(func(f *rollout.Facts) { f.Service.Started = time.Unix(999, 0) })},
		{name: "a service that is reloaded keeps its process", facts: facts(func(f *rollout.Facts) { f.Service.Started = time.Unix(900, 0) }),
			restart: config.Restart{Action: "reload"}},
		{name: "down", facts: facts(func(f *rollout.Facts) { f.Service.Name = "failed" }), fault: "the service is failed"},
		{name: "unhealthy", facts: facts(nil), answers: []health.Answer{{Text: "answered 500"}}, fault: "answered 500"},
		{name: "a link to nothing", facts: facts(func(f *rollout.Facts) { f.Records = nil }), fault: "no release that rollpin finished"},
	} {
		status := statusFrom(c.facts, c.answers, c.restart)
		if got := strings.Join(status.Faults, "; "); c.fault == "" && got != "" || !strings.Contains(got, c.fault) {
			t.Errorf("%s: faults %q, want %q", c.name, got, c.fault)
		}
	}
}

func TestStatusTellsWhatWouldStopADeployment(t *testing.T) {
	missing := rollout.Problem{Text: "there is no python3 in PATH", Hint: "install it"}
	found := facts(func(f *rollout.Facts) { f.Path, f.Records = "/srv/api", nil })
	found.Problems = []rollout.Problem{strayLink(found.State), missing}
	status := statusFrom(found, nil, config.Restart{})
	if len(status.Problems) != 1 || status.Problems[0] != missing || len(status.Faults) != 1 {
		t.Errorf("problems %v, faults %q: each thing is told once", status.Problems, status.Faults)
	}
}

func TestAHeldReleaseIsReusedOnlyIfEveryPlatformHasItsLock(t *testing.T) {
	f := &Fleet{cache: bundle.Open(t.TempDir(), 0)}
	holder := rollout.Facts{Platform: "a", State: release.State{Records: map[string]release.Record{id: {ID: id, Platform: "a", Lock: "l"}}}}
	if !f.covered(id, map[string]rollout.Facts{"web-1": holder, "web-2": {Platform: "a"}}) {
		t.Error("a node of the same platform needs no lock of its own")
	}
	if f.covered(id, map[string]rollout.Facts{"web-1": holder, "web-2": {Platform: "b"}}) {
		t.Error("nobody has the lock of platform b")
	}
	found := rollout.Facts{Platform: "a", State: release.State{Records: map[string]release.Record{id: {ID: id, Platform: "a"}}}}
	if f.covered(id, map[string]rollout.Facts{"web-1": found}) {
		t.Error("a set that was found in a prefix has no lock")
	}
}

func TestVersionsAreRefusedBeforeAnythingIsConnected(t *testing.T) {
	for manager, versions := range map[string]map[string]bool{
		"pip": {"": true, "1.0": true, "1.0;id": false, "latest": false, "1.0\x00": false, "$(id)": false},
		"npm": {"": true, "1.0.0": true, "latest": true, "1.0;id": false, "a b": false, "-x": false},
	} {
		m, err := pkgmgr.For(manager)
		if err != nil {
			t.Fatal(err)
		}
		for version, ok := range versions {
			if err := checkVersion(m, version); (err == nil) != ok {
				t.Errorf("%s %q: %v", manager, version, err)
			}
		}
	}
}

func TestProblemsComeWithTheirHints(t *testing.T) {
	got := problems(shell.ParseFacts("::hint lost\n::problem a\n::problem b\n::hint fix b\n"))
	if len(got) != 2 || got[0] != (rollout.Problem{Text: "a"}) || got[1] != (rollout.Problem{Text: "b", Hint: "fix b"}) {
		t.Errorf("%+v", got)
	}
}

func TestTooLittleDiskAndAnotherPackage(t *testing.T) {
	f := &Fleet{service: config.Service{Package: "acme-api", MinFree: 1 << 30}}
	f.layout = sideBySide{f}
	found, err := f.parseFacts(&node{}, shell.ParseFacts("::path /srv/api\n::free 1048576\n::current "+id+
		"\n::record {\"schema\":1,\"id\":\""+id+"\",\"package\":\"acme-web\"}\n"))
	if err != nil || len(found.Problems) != 2 {
		t.Fatalf("%+v, %v", found.Problems, err)
	}
	if text := found.Problems[0].Text; text != "/srv/api has 1 MiB free, 1024 MiB are needed" {
		t.Error(text)
	}
}
