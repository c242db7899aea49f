package pkgmgr

import (
	"errors"
	"slices"
	"testing"
)

func TestChoose(t *testing.T) {
	o := Offers{Package: "acme-api", Versions: []Offer{
		{Version: "1.9"}, {Version: "1.10.0"}, {Version: "2.0rc1", Pre: true}, {Version: "1.11", Yanked: true, Reason: "broken"}, {Version: "1.2"}, {Version: "0.1"},
	}}
	for _, c := range []struct {
		want   string
		yanked bool
		choice string
	}{
		{"", false, "1.10.0"}, {"", true, "1.10.0"}, {"1.10", false, "1.10.0"}, {"2.0.RC1", false, "2.0rc1"}, {"1.11", true, "1.11"},
	} {
		if got, err := Choose(pip{}, o, c.want, c.yanked); got != c.choice {
			t.Errorf("asked for %q: %q (%v)", c.want, got, err)
		}
	}

	_, err := Choose(pip{}, o, "1.11", false)
	if yanked, ok := errors.AsType[*YankedError](err); !ok || yanked.Reason != "broken" {
		t.Errorf("a yanked version: %v", err)
	}
	for want, nearest := range map[string][]string{
		"1.10.1": {"1.2", "1.9", "1.10.0", "1.11", "2.0rc1"}, "0.0.1": {"0.1", "1.2", "1.9", "1.10.0", "1.11"}, "9": {"1.2", "1.9", "1.10.0", "1.11", "2.0rc1"},
	} {
		_, err := Choose(pip{}, o, want, false)
		if missing, ok := errors.AsType[*NoVersionError](err); !ok || !slices.Equal(missing.Nearest, nearest) {
			t.Errorf("%s: %v, %+v", want, err, missing)
		}
	}
	if _, err := Choose(pip{}, o, "1.0 --pre", false); err == nil {
		t.Error("an odd version was chosen")
	}

	early := Offers{Package: "new", Versions: []Offer{{Version: "1.0a1", Pre: true}, {Version: "1.0a2", Pre: true}}}
	_, err = Choose(pip{}, early, "", false)
	if missing, ok := errors.AsType[*NoVersionError](err); !ok || !slices.Equal(missing.Nearest, []string{"1.0a2", "1.0a1"}) {
		t.Errorf("only prereleases: %v, %+v", err, missing)
	}
	if early.Versions[0].Version != "1.0a1" {
		t.Error("the offers were reordered")
	}
}

// npm users expect the dist-tag latest, even where a higher version exists: an old line may get a fix after the new one.
func TestChooseByTag(t *testing.T) {
	o := Offers{Package: "web", Tags: map[string]string{"latest": "1.9.0", "next": "2.0.0-rc.1"},
		Versions: []Offer{{Version: "1.9.0"}, {Version: "1.10.0"}, {Version: "2.0.0-rc.1", Pre: true}}}
	for want, choice := range map[string]string{"": "1.9.0", "latest": "1.9.0", "next": "2.0.0-rc.1", "1.10.0": "1.10.0", "1.10.0+build": "1.10.0"} {
		if got, err := Choose(npm{}, o, want, false); got != choice {
			t.Errorf("asked for %q: %q (%v)", want, got, err)
		}
	}
	for want, nearest := range map[string][]string{"lates": {"latest"}, "2.0.0": {"1.9.0", "1.10.0", "2.0.0-rc.1"}} {
		_, err := Choose(npm{}, o, want, false)
		if missing, ok := errors.AsType[*NoVersionError](err); !ok || !slices.Equal(missing.Nearest, nearest) {
			t.Errorf("%s: %v, %+v", want, err, missing)
		}
	}
	if _, err := Choose(npm{}, o, "^1.9", false); err == nil {
		t.Error("a range was chosen")
	}
	o.Tags["latest"] = "2.0.0-rc.1"
	if got, _ := Choose(npm{}, o, "", false); got != "1.10.0" {
		t.Errorf("with a prerelease as latest: %q", got)
	}
}
