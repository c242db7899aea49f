package nearest

import (
	"slices"
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		want, have, near string
	}{
		{"indx", "index package path", "index"},
		{"pacakge", "package path", "package"},
		{"Service", "services ssh", "services"},
		{"canray", "serial canary rolling", "canary"},
		{"api", "acme-api web api-eu apy", "apy api-eu acme-api"},
		{"1.1.0", "1.1.1 1.0.0 2.4.1 1.10", "1.0.0 1.1.1 1.10"},
		{"qqq", "index package", ""},
		{"a", "b c", ""},
		{"", "index", ""},
		{"prod", "production staging", "production"},
		{"zürich", "zurich zug", "zurich"},
		{"web", "web web", "web"},
		{strings.Repeat("x", 10_000), strings.Repeat("x", 9_999), ""},
	} {
		if got := strings.Join(Nearest(c.want, strings.Fields(c.have), 3), " "); got != c.near {
			t.Errorf("near %.20q of %.40q: got %q, want %q", c.want, c.have, got, c.near)
		}
	}
}

func TestNearestIsBounded(t *testing.T) {
	have := []string{"web1", "web2", "web3"}
	if got := Nearest("web", have, 2); !slices.Equal(got, []string{"web1", "web2"}) {
		t.Errorf("got %v", got)
	}
	if got := Nearest("web", have, 0); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
