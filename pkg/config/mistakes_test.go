package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// problemsOf is the text of an error as a person sees it.
func problemsOf(t *testing.T, err error) string {
	t.Helper()
	var problems *Error
	if !errors.As(err, &problems) {
		t.Errorf("expected an *Error, got %v", err)
		return ""
	}
	text := problems.Error() + "\n"
	for hint := range strings.Lines(problems.Hint()) {
		text += fmt.Sprintln("hint:", strings.TrimSpace(hint))
	}
	return text
}

func TestMistakesInAFile(t *testing.T) {
	const path = "testdata/mistakes.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, file := range archive.Files {
		want[file.Name] = string(file.Data)
	}
	written := txtar.Archive{Comment: archive.Comment}
	for _, file := range archive.Files {
		if filepath.Ext(file.Name) != ".yaml" {
			continue
		}
		said := strings.TrimSuffix(file.Name, ".yaml") + ".txt"
		_, err := parse("rollpin.yaml", "/conf", "/home/me", file.Data)
		got := problemsOf(t, err)
		if got != want[said] && !*update {
			t.Errorf("%s: got\n%s\nwant\n%s", file.Name, got, want[said])
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s: a secret is shown:\n%s", file.Name, got)
		}
		written.Files = append(written.Files, file, txtar.File{Name: said, Data: []byte(got)})
	}
	if *update {
		golden(t, path, txtar.Format(&written))
	}
}
