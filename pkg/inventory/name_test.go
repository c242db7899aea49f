package inventory

import (
	"slices"
	"strings"
	"testing"
)

func TestNaturalOrder(t *testing.T) {
	want := []string{"db", "web", "web-1", "web-01", "web-2", "web-2a", "web-10", "web-10-b2", "web-10-b10", "web-a"}
	for range 20 {
		got := slices.Clone(want)
		slices.Reverse(got)
		slices.SortFunc(got, CompareNames)
		if !slices.Equal(got, slices.SortedFunc(slices.Values(want), CompareNames)) {
			t.Fatal("the order depends on the input")
		}
	}
	got := slices.SortedFunc(slices.Values([]string{"web-10", "web-2", "web-1", "web-10-b10", "web-10-b2", "api"}), CompareNames)
	if !slices.Equal(got, []string{"api", "web-1", "web-2", "web-10", "web-10-b2", "web-10-b10"}) {
		t.Errorf("got %v", got)
	}
}

func TestSplitAddress(t *testing.T) {
	good := []struct {
		address, host string
		port          int
	}{
		{"10.0.0.1", "10.0.0.1", 0},
		{"10.0.0.1:2222", "10.0.0.1", 2222},
		{"web-1.eu.example.com:22", "web-1.eu.example.com", 22},
		{"::1", "::1", 0},
		{"[::1]", "::1", 0},
		{"[::1]:22", "::1", 22},
		{"fe80::1%eth0", "fe80::1%eth0", 0},
		{"[fe80::1%eth0]:22", "fe80::1%eth0", 22},
	}
	for _, c := range good {
		host, port, err := SplitAddress(c.address)
		if err != nil || host != c.host || port != c.port {
			t.Errorf("%s: got %q %d %v", c.address, host, port, err)
		}
	}
	bad := []string{
		"", ":22", "host:", "host:0", "host:65536", "host:-1", "host:+22", "host:ssh", "::1:99999:x", "[::1", "[::1]22", "[10.0.0.1]:22", "[]:22",
		"-oProxyCommand=x", "a b", "a\nb", "a;b", "root@host", "ssh://host", "[fe80::1%$(x)]:22", "fe80::1%a b", "host\x00", strings.Repeat("a", 254),
	}
	for _, address := range bad {
		if host, port, err := SplitAddress(address); err == nil {
			t.Errorf("%q: accepted as %q %d", address, host, port)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"web-1", "ip-10-0-0-1.ec2.internal", "_gateway", "Knoten-ä", "rack:3"} {
		if err := CheckName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "-web", ".web", "a b", "a,b", "a/b", "web-*", "a\x1b[31m", "a\nb", "a'b", "$(id)", "zone=a", "a\xff"} {
		if CheckName(name) == nil {
			t.Errorf("%q: accepted", name)
		}
	}
}

func FuzzSplitAddress(f *testing.F) {
	for _, seed := range []string{"host:22", "[::1]:22", "::1", "[", "a:b:c", "fe80::1%eth0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		host, port, err := SplitAddress(address)
		if err != nil {
			return
		}
		again, samePort, err := SplitAddress(joinAddress(host, port))
		if err != nil || again != host || samePort != port {
			t.Errorf("%q is %q %d, which reads back as %q %d %v", address, host, port, again, samePort, err)
		}
		if strings.HasPrefix(host, "-") || strings.ContainsAny(host, " \x00\n;'\"`$") {
			t.Errorf("%q gave the host %q", address, host)
		}
	})
}
