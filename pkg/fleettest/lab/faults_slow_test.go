package lab

import (
	"strings"
	"testing"
)

// A slow node is not a broken one: a deployment takes longer there, and that is all.
func TestSlowNodes(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 4)
	patient := strings.NewReplacer("$BUDGET", "0", "connect_timeout: 8s, keepalive: 2s", "connect_timeout: 30s, keepalive: 15s", "timeout: 40s", "timeout: 2m")
	site := l.Site(t, patient.Replace(faultsConfig), nodes)
	for i, kind := range []string{"loss", "bandwidth", "latency", "cpu"} {
		if err := nodes[i].Break(kind); err != nil {
			t.Fatal(err)
		}
	}
	ended := site.Run(t, "deploy", "api==1.0.0", "-e", "production", "-v")
	t.Log(ended.Text)
	ended.Expect(t, 0, "4 of 4")
	for _, n := range nodes {
		n.Heal(t)
	}
	ExpectTruth(t, "api", nodes, "1.0.0 1.0.0 1.0.0 1.0.0")
}
