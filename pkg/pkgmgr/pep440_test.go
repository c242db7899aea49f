package pkgmgr

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestPEP440Normalize(t *testing.T) {
	for version, want := range map[string]string{
		"1.0.0.rc0": "1.0.0rc0", "2021.07.21": "2021.7.21", "v1.0": "1.0", " 1.0\n": "1.0", "1.0-ALPHA.01": "1.0a1", "1.0beta": "1.0b0",
		"1.0c3": "1.0rc3", "1.0pre": "1.0rc0", "1.0-preview-2": "1.0rc2", "1.0-1": "1.0.post1", "1.0r4": "1.0.post4", "1.0-rev5": "1.0.post5",
		"1.0post": "1.0.post0", "1.0DEV": "1.0.dev0", "0!1.0": "1.0", "01!1.0": "1!1.0", "1.0+Ubuntu-01_x": "1.0+ubuntu.1.x",
		"1a2.post3.dev4+l5": "1a2.post3.dev4+l5", "1": "1", "20210721123456789012345678901234567890.0": "20210721123456789012345678901234567890.0",
	} {
		if got, err := (pip{}).Normalize(version); got != want {
			t.Errorf("%q became %q, want %q (%v)", version, got, want, err)
		}
	}
	for version, reason := range map[string]string{
		"": "empty", "===1.0": "letter by letter", ">=1.0": "range", "1.*": "range", "1.0-foo": "cannot order", "latest": "cannot order",
		"1.0; rm -rf /": "cannot order", "1.0\x00": "cannot order", "1.0\u212a": "cannot order", "1.0+": "cannot order", "1..0": "cannot order",
		"１.0": "cannot order",
	} {
		_, err := (pip{}).Normalize(version)
		if versionErr, ok := errors.AsType[*VersionError](err); !ok || !strings.Contains(err.Error(), reason) || versionErr.Hint() == "" {
			t.Errorf("%q: %v, want a reason with %q", version, err, reason)
		}
	}
}

// The order is that of PEP 440, "Summary of permitted suffixes and relative ordering", with locals and epochs around it.
func TestPEP440Order(t *testing.T) {
	sorted := []string{
		"0.9", "1.0.dev456", "1.0.dev457", "1.0a1.dev1", "1.0a1", "1.0a2.dev456", "1.0a12.dev456", "1.0a12", "1.0b1.dev456", "1.0b2",
		"1.0b2.post345.dev456", "1.0b2.post345", "1.0rc1.dev456", "1.0rc1", "1.0", "1.0+abc.5", "1.0+abc.7", "1.0+abc.7.0", "1.0+5", "1.0+10",
		"1.0.post456.dev34", "1.0.post456", "1.0.1", "1.1.dev1", "1.2", "1.10", "9223372036854775808", "1!0.1", "10!0",
	}
	for i, a := range sorted {
		for j, b := range sorted {
			if got, want := sign((pip{}).Compare(a, b)), sign(i-j); got != want {
				t.Errorf("comparing %s with %s gives %d, want %d", a, b, got, want)
			}
		}
	}
	for _, equal := range [][2]string{{"1.0", "1"}, {"1.0.0rc0", "1.0.0.rc0"}, {"1.0+a.01", "1.0+A-1"}, {"1.0-0", "1.0.post"}} {
		if (pip{}).Compare(equal[0], equal[1]) != 0 {
			t.Errorf("%s is not %s", equal[0], equal[1])
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// The reference is the library that pip itself brings along.
func TestPEP440AgreesWithPip(t *testing.T) {
	need(t, "python3")
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(parts ...string) string { return parts[random.IntN(len(parts))] }
	var versions []string
	for range 3000 {
		versions = append(versions, pick("", "", "v", "1!")+pick("1", "1.0", "1.00.0", "0.9", "1.10")+
			pick("", "", "a1", "-beta.2", "rc", ".pre3", "_c04")+pick("", "", "-1", ".post2", "rev", "_r3")+pick("", "", "dev", ".dev3")+
			pick("", "", "+1", "+abc.07", "+ab_c", "+")+pick("", "", "", "x", "."))
	}
	input, _ := json.Marshal(versions)
	cmd := exec.Command("python3", "-c", `
import json, sys, functools
from pip._vendor.packaging.version import Version, InvalidVersion
good, bad = [], []
for text in json.load(sys.stdin):
    try: good.append((Version(text), text))
    except InvalidVersion: bad.append(text)
good.sort()
json.dump({"bad": bad, "sorted": [[t, str(v), i > 0 and good[i-1][0] == v] for i, (v, t) in enumerate(good)]}, sys.stdout)`)
	cmd.Stdin = bytes.NewReader(input)
	output, err := cmd.Output()
	if err != nil {
		t.Skipf("python3 has no pip: %v", err)
	}
	var want struct {
		Bad    []string
		Sorted [][3]any
	}
	if err := json.Unmarshal(output, &want); err != nil {
		t.Fatal(err)
	}
	for _, version := range want.Bad {
		if got, err := (pip{}).Normalize(version); err == nil {
			t.Errorf("%q became %s", version, got)
		}
	}
	for i, entry := range want.Sorted {
		version, normal := entry[0].(string), entry[1].(string)
		if got, err := (pip{}).Normalize(version); got != normal {
			t.Errorf("%q became %q, want %q (%v)", version, got, normal, err)
		}
		if i == 0 {
			continue
		}
		expected := -1
		if entry[2].(bool) {
			expected = 0
		}
		if got := sign((pip{}).Compare(want.Sorted[i-1][0].(string), version)); got != expected {
			t.Errorf("comparing %v with %v gives %d, want %d", want.Sorted[i-1][0], version, got, expected)
		}
	}
}

func FuzzPEP440(f *testing.F) {
	f.Add("1!1.0.0rc1.post2.dev3+local.4", "2021.07.21")
	f.Fuzz(func(t *testing.T, a, b string) {
		v, okV := parsePEP440(a)
		w, okW := parsePEP440(b)
		if !okV || !okW {
			return
		}
		if v.compare(w) != -w.compare(v) && sign(v.compare(w)) != -sign(w.compare(v)) {
			t.Errorf("%q and %q are ordered both ways", a, b)
		}
		again, ok := parsePEP440(v.String())
		if !ok || again.compare(v) != 0 || again.String() != v.String() {
			t.Errorf("%q has the normal form %q, which reads as %q", a, v, again)
		}
	})
}

func TestRequiresPython(t *testing.T) {
	for specifiers, want := range map[string][]string{
		"": {"3.7.1", "3.11.2", "3.12.0", "4.0"}, ">=3.8": {"3.11.2", "3.12.0", "4.0"}, ">=3.8,<4": {"3.11.2", "3.12.0"},
		"~=3.11": {"3.11.2", "3.12.0"}, "~=3.11.0": {"3.11.2"}, "==3.11.*": {"3.11.2"}, "!=3.11.*,>3.8": {"3.12.0", "4.0"},
		"== 3.11.2": {"3.11.2"}, "===3.11.2": {"3.11.2"}, "!=3.11.2": {"3.7.1", "3.12.0", "4.0"}, "<3.12": {"3.7.1", "3.11.2"},
		"<=3.12": {"3.7.1", "3.11.2", "3.12.0"}, ">=3.6.*": {"3.7.1", "3.11.2", "3.12.0", "4.0"}, "nonsense, >=4": {"4.0"}, ">=banana": {"3.7.1", "3.11.2", "3.12.0", "4.0"},
	} {
		var got []string
		for _, version := range []string{"3.7.1", "3.11.2", "3.12.0", "4.0"} {
			v, _ := parsePEP440(version)
			if allows(specifiers, v) {
				got = append(got, version)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q lets in %v, want %v", specifiers, got, want)
		}
	}
}
