package main

import (
	"testing"
	"time"
)

func TestDeploymentID(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 15, 0, 0, time.UTC)
	before := ""
	for ms := range 2000 {
		id := deploymentID(at.Add(time.Duration(ms)*time.Millisecond), "")
		if id <= before[:min(len(before), 18)] || len(id) != len("20261121T101500-ABCD") {
			t.Fatalf("%s after %s", id, before)
		}
		before = id
	}
	for newest, want := range map[string]string{
		"":                     "20261121T101500",
		"20261121T101459-ZZZZ": "20261121T101500",
		"20261121T101500-ZZZZ": "20261121T101501",
		"20261121T235959-0000": "20261122T000000", // another machine's clock is ahead
		"zzz":                  "20261121T101500",
	} {
		if id := deploymentID(at, newest); id[:15] != want {
			t.Errorf("after %q: %s", newest, id)
		}
	}
}
