package journal

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

func TestWhatDoesNotFitIsNamed(t *testing.T) {
	const one = `{"schema":1,"seq":1,"event":"deployment-started","deployment":"D"}` + "\n"
	const two = `{"schema":1,"seq":2,"event":"note","deployment":"D"}` + "\n"
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"whole", one + two, ""},
		{"fields of a later rollpin", one + `{"schema":1,"seq":2,"event":"more","deployment":"D","more":{}}` + "\n", ""},
		{"torn", one + two[:20], ""},
		{"torn, with a newline", one + two[:20] + "\n", ""},
		{"torn in the middle", one + two[:20] + "\n" + two, "j:2: it is no line of a journal: "},
		{"an empty line in the middle", one + "\n" + two, "j:2: it is no line of a journal: "},
		{"a line is missing", one + strings.ReplaceAll(two, `"seq":2`, `"seq":3`), "j:2: its seq is 3, expected 2: lines are missing or there twice"},
		{"a line is there twice", one + one, "j:2: its seq is 1, expected 2: lines are missing or there twice"},
		{"no schema", `{"seq":1}` + "\n", "j:1: its schema is 0, not 1"},
		{"a newer schema", one + `{"schema":2,"seq":2,"event":{}}` + "\n", "j:2: its schema is 2, this rollpin knows 1"},
		{"another deployment", one + strings.ReplaceAll(two, `"D"`, `"E"`), `j:2: it is of deployment "E", the lines before of "D"`},
		{"no event", `{"schema":1,"seq":1}` + "\n", "j:1: it is no event: event or deployment is missing"},
		{"another type", `{"schema":1,"seq":1,"event":7,"deployment":"D"}` + "\n", "j:1: it is no line of a journal: "},
	} {
		_, err := Read(strings.NewReader(c.text), "j")
		var problem *LineError
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &problem) || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// FuzzRead sees that nothing crashes the reader and the fold, that a cut leaves a beginning of the whole, and that what a Writer made of the
// events is read as the same.
func FuzzRead(f *testing.F) {
	whole, err := os.ReadFile(write(f, f.TempDir(), sample()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, 100)
	f.Add([]byte(`{"schema":1,"seq":1,"event":"step-failed","deployment":"D","step":"switch"}`+"\n"), 3)
	f.Add([]byte(`{"schema":1,"seq":1,"event":"planned","deployment":"D","plan":{"waves":[{"steps":[{}]}]}}`+"\n"), 0)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		events, err := Read(bytes.NewReader(text), "j")
		d := Fold(events)
		if d.Events != len(events) {
			t.Errorf("folded %d of %d events", d.Events, len(events))
		}
		if err != nil {
			return
		}
		short, err := Read(bytes.NewReader(text[:min(max(cut, 0), len(text))]), "j")
		if err != nil || len(short) > len(events) {
			t.Errorf("cut at %d: %d events of %d, %v", cut, len(short), len(events), err)
		}
		var out bytes.Buffer
		for i, e := range events {
			again, err := encode(line{schema, i + 1, e})
			if err != nil {
				t.Fatal(err)
			}
			out.Write(again)
		}
		again, err := Read(&out, "j")
		if err != nil || len(again) != len(events) {
			t.Errorf("written again: %d events of %d, %v", len(again), len(events), err)
		}
	})
}
