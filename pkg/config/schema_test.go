package config

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file, or writes it with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs; go test -update writes it anew. Got:\n%s", path, got)
	}
}

func TestSchema(t *testing.T) {
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../../examples/rollpin.schema.json", schema)
}

// propertyIDs collects the names under which all keys of a shape are documented.
func propertyIDs(s shape, into map[string]bool) {
	if s.items != nil {
		propertyIDs(*s.items, into)
	}
	if s.entries != nil {
		propertyIDs(*s.entries, into)
	}
	if s.object != nil {
		for _, p := range s.object.properties {
			into[p.id()] = true
			propertyIDs(p.shape, into)
		}
	}
}

func TestReferenceHasEveryKeyAndNoOther(t *testing.T) {
	if _, err := parse("reference.yaml", "/conf", "/home/me", []byte(Reference)); err != nil {
		t.Fatal(err) // also reports keys that the decoder does not know
	}
	comments, err := referenceComments()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	propertyIDs(documentKeys().shape, ids)
	for id := range ids {
		comment, found := comments[id]
		switch {
		case !found:
			t.Errorf("%s is not in the reference file", id)
		case len(comment) < 10 || !strings.HasSuffix(comment, "."):
			t.Errorf("%s is not explained in the reference file: %q", id, comment)
		}
	}
	for id := range comments {
		if !ids[id] {
			t.Errorf("%s is in the reference file only", id)
		}
	}
	if len(ids) < 70 {
		t.Errorf("the table has shrunk to %d keys", len(ids))
	}
}
