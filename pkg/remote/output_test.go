package remote

import (
	"strings"
	"testing"
)

func FuzzSecretsAreStruckHoweverTheStreamIsCut(f *testing.F) {
	f.Add("say open sesame twice: open sesame", "open sesame", uint8(3))
	f.Add("aaab", "aab", uint8(1))
	f.Fuzz(func(t *testing.T, text, secret string, cut uint8) {
		if secret == "" || strings.Contains("***", secret) || strings.Contains(secret, "*") || strings.Contains(text, "*") {
			t.Skip()
		}
		r := newRedactor([]string{secret, ""})
		var got strings.Builder
		size := int(cut)%7 + 1
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			got.Write(r.strike([]byte(rest[:n]), false))
			rest = rest[n:]
		}
		got.Write(r.strike(nil, true))
		if want := strings.ReplaceAll(text, secret, "***"); got.String() != want {
			t.Fatalf("%q without %q is %q, want %q", text, secret, got.String(), want)
		}
	})
}

func TestOutputKeepsHeadAndTail(t *testing.T) {
	o := &output{maxHead: 4, maxTail: 3}
	for _, c := range "abcdefghij" {
		_, _ = o.Write([]byte(string(c)))
	}
	if got := o.String(); got != "abcd\n… 3 bytes left out …\nhij" {
		t.Errorf("got %q", got)
	}
	whole := &output{maxHead: 4, maxTail: 3}
	_, _ = whole.Write([]byte("abcdefg"))
	if got := whole.String(); got != "abcdefg" {
		t.Errorf("got %q", got)
	}
}
