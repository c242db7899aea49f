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

func TestMainJob(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 3)
	site := l.Site(t, DefaultConfig, nodes)
	site.Run(t, "deploy", "api==1.0.0", "-e", "production").Expect(t, 0, "3 of 3")
	ExpectTruth(t, "api", nodes, "1.0.0 1.0.0 1.0.0")
	site.Run(t, "deploy", "api==1.1.0", "-e", "production").Expect(t, 0, "wave 1 of 2: canary")
	ExpectTruth(t, "api", nodes, "1.1.0 1.1.0 1.1.0")
	site.Run(t, "deploy", "api==1.3.0", "-e", "production").Expect(t, 1, "1 node touched", "500")
	ExpectTruth(t, "api", nodes, "1.1.0 1.1.0 1.1.0")
	site.Run(t, "rollback", "api", "-e", "production").Expect(t, 0)
	ExpectTruth(t, "api", nodes, "1.0.0 1.0.0 1.0.0")
}
