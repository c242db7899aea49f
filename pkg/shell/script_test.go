package shell

import (
	"os/exec"
	"strings"
	"testing"
)

func run(t *testing.T, s Script) (string, error) {
	t.Helper()
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	return string(out), err
}

func TestValuesReachTheShellUnchanged(t *testing.T) {
	for _, value := range []string{"", "plain", "it's", "$(touch /tmp/x)", "`id`", "a\nb", `\`, "'; exit 9; '", "*", "-n", "é\x01"} {
		out, err := run(t, Script{Vars: []Var{{Name: "v", Value: value}}, Args: []string{value}, Body: `printf '%s|%s' "$v" "$1"`})
		if err != nil || out != value+"|"+value {
			t.Errorf("value %q came back as %q (%v)", value, out, err)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("it's $HOME")
	f.Fuzz(func(t *testing.T, value string) {
		quoted, err := Quote(value)
		if strings.Contains(value, "\x00") {
			if err == nil {
				t.Fatal("NUL was accepted")
			}
			return
		}
		out, err := exec.Command("sh", "-c", "printf %s "+quoted).Output()
		if err != nil || string(out) != value {
			t.Fatalf("%q came back as %q (%v)", value, out, err)
		}
	})
}

func TestVariablesStayInTheScript(t *testing.T) {
	t.Setenv("token", "the node's own")
	out, err := run(t, Script{Vars: []Var{{Name: "token", Value: "s3cret", Secret: true}}, Body: `printf '%s ' "$token"; sh -c 'printf "%s" "${token-none}"'`})
	if err != nil || out != "s3cret none" {
		t.Errorf("%q, %v: a variable that the node exports must not carry a secret to children", out, err)
	}
}

func TestTextRefuses(t *testing.T) {
	for name, s := range map[string]Script{
		"NUL in a variable":   {Vars: []Var{{Name: "v", Value: "a\x00b"}}},
		"NUL in an argument":  {Args: []string{"\x00"}},
		"a name that is code": {Vars: []Var{{Name: "v;id", Value: "x"}}},
	} {
		if text, err := s.Text(); err == nil {
			t.Errorf("%s was accepted: %q", name, text)
		}
	}
}

func TestFacts(t *testing.T) {
	out, err := run(t, Script{Body: "echo welcome\nfact a 1\nfact a '2 3'\nprintf 'x\\n y\\n' | facts file\nfact empty ''\n"})
	if err != nil {
		t.Fatal(err)
	}
	facts := ParseFacts(strings.ReplaceAll(out, "\n", "\r\n"))
	if got := facts.Get("a"); got != "2 3" {
		t.Errorf("the last value of a is %q", got)
	}
	if got := strings.Join(facts.All("a"), ","); got != "1,2 3" {
		t.Errorf("all values of a are %q", got)
	}
	if got := facts.Text("file"); got != "x\n y" {
		t.Errorf("the file came back as %q", got)
	}
}

func TestJoinKeepsPartsApart(t *testing.T) {
	joined, err := Join("both",
		Script{Vars: []Var{{Name: "v", Value: "s3cret", Secret: true}}, Body: "fact first \"$v\"; exit 3"},
		Script{Vars: []Var{{Name: "w", Value: "2"}}, Body: `fact second "$w${v-unset}"`})
	if err != nil {
		t.Fatal(err)
	}
	out, err := run(t, joined)
	if err == nil || !strings.Contains(err.Error(), "3") {
		t.Errorf("the failing part's status is lost: %v", err)
	}
	facts := ParseFacts(out)
	if facts.Get("first") != "s3cret" || facts.Get("second") != "2unset" {
		t.Errorf("facts: %v", facts)
	}
	if got := joined.Secrets(); len(got) != 1 || got[0] != "s3cret" {
		t.Errorf("secrets of the parts are forgotten: %v", got)
	}
}

func TestExitErrorNamesTheReason(t *testing.T) {
	for _, c := range []struct {
		err  ExitError
		want string
	}{
		{ExitError{Status: 1, Result: Result{Stdout: "::error no python3\n", Stderr: "noise"}}, "no python3"},
		{ExitError{Status: 7, Result: Result{Stderr: "a\nlast words\n"}}, "exit status 7: last words"},
		{ExitError{Status: -1, Signal: "KILL"}, "ended by SIGKILL"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
