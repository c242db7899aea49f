package lab

import (
	"fmt"
	"os"
	"testing"
)

var theLab *Lab

func TestMain(m *testing.M) {
	var err error
	theLab, err = Open()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// lab skips the test where there is no lab.
func lab(t *testing.T) *Lab {
	t.Helper()
	if theLab == nil {
		t.Skip("no lab is up: scripts/test brings one up where it can")
	}
	return theLab
}
