package lab

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTwoDeployers has two machines that share Consul and deploy to the same nodes.
func TestTwoDeployers(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 2)
	first := l.shared(t, "two", serial, nodes)
	second := first.elsewhere(t, "build-2")
	first.Host = "build-1"
	first.Env = append(first.Env, "BUILD_URL=https://ci.example/job/42")
	first.Run(t, "deploy", "web==1.0.0", "-e", "two", "--strategy", "parallel").Expect(t, 0)

	// The second is told who is at it, or waits, and knows the history of both.
	stall(t, nodes[0], "1.1.0")
	running := first.begin(t, "deploy", "web==1.1.0", "-e", "two", "--reason", "new colours")
	awaitHeld(t, nodes[0])
	refused := second.Run(t, "deploy", "web==1.0.0", "-e", "two")
	refused.Expect(t, 5, "error: another deployment of web on two holds the lock: deploy ", " on build-1 (https://ci.example/job/42): new colours, since ",
		"hint: wait for it with --wait 10m")
	waiting := second.begin(t, "deploy", "web==1.7.0", "-e", "two", "--wait", "5m")
	waiting.await(t, "waiting up to 5m0s for deploy ")
	second.Run(t, "history", "web", "-e", "two").Expect(t, 0, "unfinished")
	goOn(t, nodes[0])
	running.end().Expect(t, 0, "2 of 2")
	waiting.end().Expect(t, 0, "2 of 2", "1.1.0 -> 1.7.0")
	ExpectTruth(t, "web", nodes, "1.7.0 1.7.0")
	ids := regexp.MustCompile(`\d{8}T\d{6}-\w+`)
	here, there := first.Run(t, "history", "web", "-e", "two"), second.Run(t, "history", "web", "-e", "two")
	if a, b := ids.FindAllString(here.Out, -1), ids.FindAllString(there.Out, -1); len(a) != 3 || strings.Join(a, " ") != strings.Join(b, " ") {
		t.Errorf("the first machine's history is not the second's:\n%s\n%s", here.Text, there.Text)
	}

	t.Run("killed", func(t *testing.T) { killedDeployer(t, first, second, nodes) })
	t.Run("unlock", func(t *testing.T) { brokenLock(t, l, first, second, nodes) })
}

// killedDeployer: another machine gets the lock of a dead deployer, and goes on with its deployment by what Consul knows of it.
func killedDeployer(t *testing.T, first, second *Site, nodes []*Node) {
	each(nodes, func(_ int, n *Node) { stall(t, n, "1.0.0") })
	goOn(t, nodes[0])
	running := first.begin(t, "deploy", "web==1.0.0", "-e", "two")
	running.await(t, "wave 2 of 2")
	awaitHeld(t, nodes[1])
	if err := running.process.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	running.end().Expect(t, -1)
	goOn(t, nodes[1])
	second.Run(t, "resume", "last", "-e", "two").Expect(t, 5, "on build-1")
	resumed := second.begin(t, "resume", "last", "-e", "two", "--wait", "60s")
	resumed.await(t, "waiting up to 1m0s for deploy ")
	resumed.await(t, "resume web on two")
	within(t, "the lock of a killed deployer", began, 35*time.Second)
	resumed.end().Expect(t, 0, "2 of 2")
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0")
	if got := nodes[0].starts(t); got != 1 {
		t.Errorf("what was done was done again: %d starts", got)
	}
	if d := first.show(t, "two"); len(d.Runs) != 2 || d.Runs[0].By.Host != "build-1" || d.Runs[1].By.Host != "build-2" {
		t.Errorf("the first machine does not see who went on: %+v", d)
	}
}

// brokenLock: who lost the lock starts no further node, says so, and writes nothing more to Consul.
func brokenLock(t *testing.T, l *Lab, first, second *Site, nodes []*Node) {
	each(nodes, func(_ int, n *Node) { stall(t, n, "1.1.0") })
	running := first.begin(t, "deploy", "web==1.1.0", "-e", "two")
	awaitHeld(t, nodes[0])
	second.Run(t, "unlock", "web", "-e", "two").Expect(t, 2, "on build-1", "--yes")
	second.Run(t, "unlock", "web", "-e", "two", "--yes").Expect(t, 0, "is broken: deploy ")
	began := time.Now()
	id := second.show(t, "two").ID
	before := l.record(t, "two", id)
	ended := running.end()
	within(t, "the end after unlock", began, 20*time.Second)
	ended.Expect(t, 1, "all back on what they ran before", "the lock of web on two in Consul", "is lost", "rollpin resume "+id)
	ExpectTruth(t, "web", nodes, "1.0.0 1.0.0")
	if got := nodes[1].starts(t); got != 0 {
		t.Errorf("%s was started %d times by a deployer without a lock", nodes[1].Name, got)
	}
	if after := l.record(t, "two", id); after != before {
		t.Errorf("a deployer without a lock wrote to Consul:\n%s\n%s", before, after)
	}
	each(nodes, func(_ int, n *Node) { goOn(t, n) })
	second.Run(t, "deploy", "web==1.7.0", "-e", "two", "--strategy", "parallel").Expect(t, 0)
	first.Run(t, "resume", id).Expect(t, 3, "somebody else deployed since")
	ExpectTruth(t, "web", nodes, "1.7.0 1.7.0")
}

// record is what Consul has of a deployment, with the number of its last change.
func (l *Lab) record(t *testing.T, environment, id string) string {
	t.Helper()
	text, err := l.consulAPI(http.MethodGet, "kv/rollpin/"+environment+"/web/deployments/"+id, "")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestNoCommonStorage has two machines that share nothing but the nodes: these keep the second one out.
func TestNoCommonStorage(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 2)
	first := l.Site(t, changed(t, "{canary: 1, bake: 1s, batch: 50%}", serial), nodes)
	second := first.elsewhere(t, "build-2")
	first.Host = "build-1"
	first.Run(t, "deploy", "web==1.0.0", "-e", "production", "--strategy", "parallel").Expect(t, 0)
	stall(t, nodes[0], "1.1.0")
	running := first.begin(t, "deploy", "web==1.1.0", "-e", "production")
	awaitHeld(t, nodes[0])
	second.Run(t, "deploy", "web==1.7.0", "-e", "production").
		Expect(t, 5, "is in the hands of another deployment: deploy ", "on build-1", "hint: it shares no lock with this one")
	if _, err := os.Stat(second.Dir + "/state/rollpin"); err != nil {
		t.Errorf("the second machine has no state of its own: %v", err)
	}
	goOn(t, nodes[0])
	running.end().Expect(t, 0, "2 of 2")
	ExpectTruth(t, "web", nodes, "1.1.0 1.1.0")
	second.Run(t, "deploy", "web==1.7.0", "-e", "production").Expect(t, 0, "2 of 2")
	ExpectTruth(t, "web", nodes, "1.7.0 1.7.0")
}
