//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rollpin/rollpin/pkg/fleettest"
	"github.com/rollpin/rollpin/pkg/release"
)

func TestMain(m *testing.M) {
	// Half of the time a script waits for a service or a deadline; -parallel on the command line still decides.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"rollpin": main})
}

// TestScript drives the real binary against in-process nodes: every command, exit status and message. The scripts stand in
// testdata/script; testdata/script/README says which commands they have beside testscript's own.
func TestScript(t *testing.T) {
	update, _ := strconv.ParseBool(os.Getenv("ROLLPIN_TEST_UPDATE"))
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		UpdateScripts:       update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[worldKey{}] = &world{dir: env.WorkDir}
			env.Setenv("NO_COLOR", "1")
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fleet":    command(startFleet),
			"node":     command(nodeFault),
			"index":    command(indexFault),
			"killunit": command(killUnit),
			"runs":     command(checkRuns),
			"commands": command(checkCommands),
			"serve":    serve,
			"build":    command(buildFile),
			"when":     when,
			"expand":   expand,
			"exits":    exits,
		},
	})
}

type worldKey struct{}

// world is what a script has around it.
type world struct {
	dir      string
	fleet    *fleettest.Fleet
	servers  *fleettest.Servers
	commands map[string]int
	logins   map[string]int
}

func (w *world) node(name string) (*fleettest.Node, error) {
	for _, n := range w.fleet.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("there is no node %s", name)
}

// command makes a script command of do; a leading ! expects its error.
func command(do func(*testscript.TestScript, *world, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		err := do(ts, ts.Value(worldKey{}).(*world), args)
		if negated && err == nil {
			ts.Fatalf("unexpected success")
		}
		if !negated {
			ts.Check(err)
		}
	}
}

// startFleet starts N nodes web-1 to web-N, an index and a registry, and writes rollpin.yaml unless the script has one.
func startFleet(ts *testscript.TestScript, w *world, args []string) error {
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if w.servers, err = fleettest.StartServers(); err != nil {
		return err
	}
	ts.Defer(func() { w.servers.Close() })
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("web-%d", i+1))
	}
	w.fleet, err = fleettest.Start(fleettest.Options{Dir: filepath.Join(w.dir, "fleet"), Names: names, Zones: []string{"a", "b"}})
	if err != nil {
		return err
	}
	ts.Defer(func() { w.fleet.Close() })
	for _, n := range w.fleet.Nodes {
		if err := addUnits(n); err != nil {
			return err
		}
	}
	ts.Setenv("INDEX", w.servers.IndexURL)
	ts.Setenv("REGISTRY", w.servers.RegistryURL)
	w.mark()
	if _, err := os.Stat(filepath.Join(w.dir, "rollpin.yaml")); err == nil {
		expand(ts, false, []string{"rollpin.yaml"})
		return nil
	}
	base, err := os.ReadFile(filepath.Join("..", "..", "testdata", "rollpin.yaml"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "rollpin.yaml"), base, 0o644); err != nil {
		return err
	}
	expand(ts, false, []string{"rollpin.yaml"})
	return nil
}

func addUnits(n *fleettest.Node) error {
	api, web := []string{"~/srv/api/current/bin/acme-api"}, []string{"~/srv/web/current/node_modules/.bin/acme-web"}
	return errors.Join(
		n.AddUnit(fleettest.Unit{Name: "api.service", Exec: api, Restart: "on-failure"}),
		n.AddUnit(fleettest.Unit{Name: "web.service", Exec: web}),
		n.AddUnit(fleettest.Unit{Name: "venv.service", Exec: []string{"~/venv/bin/acme-api"}}),
		n.AddUnit(fleettest.Unit{Name: "prefix.service", Exec: []string{"~/prefix/bin/acme-web"}}),
		n.AddUnit(fleettest.Unit{Name: "api", Manager: fleettest.Supervisor, Exec: api}),
		n.AddUnit(fleettest.Unit{Name: "api-runit", Manager: fleettest.Runit, Exec: api}),
		n.AddUnit(fleettest.Unit{Name: "api-pm2", Manager: fleettest.PM2, Exec: api}))
}

// nodeFault breaks a node: node NAME freeze|thaw|cut|cutafter BYTES|down|refuse N|without TOOL…|sudo PASSWORD [tty].
func nodeFault(_ *testscript.TestScript, w *world, args []string) error {
	n, err := w.node(args[0])
	if err != nil {
		return err
	}
	switch args[1] {
	case "freeze":
		n.SSH.Freeze()
	case "thaw":
		n.SSH.Thaw()
	case "cut":
		n.SSH.Cut()
	case "cutafter":
		bytes, err := strconv.ParseInt(args[2], 10, 64)
		n.SSH.CutAfter(bytes)
		return err
	case "down":
		return n.SSH.Close()
	case "refuse":
		times, err := strconv.Atoi(args[2])
		n.SSH.Refuse(times)
		return err
	case "without":
		return n.RemoveTool(args[2:]...)
	case "sudo":
		return n.SetSudo(args[2], len(args) > 3 && args[3] == "tty")
	default:
		return fmt.Errorf("node: unknown fault %s", args[1])
	}
	return nil
}

// indexFault changes the index: index down|add NAME VERSION TEXT|grow VERSION BYTES|remove NAME|login USER PASSWORD.
// grow offers acme-colors of the registry in a version that has a file of so many bytes, which no compression makes smaller.
func indexFault(_ *testscript.TestScript, w *world, args []string) error {
	switch args[0] {
	case "down":
		return w.servers.Close()
	case "add":
		return w.servers.Index.Add(fleettest.Wheel{Name: args[1], Version: args[2], Files: map[string]string{"acme_greeting/__init__.py": args[3]}})
	case "grow":
		size, err := strconv.Atoi(args[2])
		return errors.Join(err, w.servers.Registry.Add(fleettest.NPMPackage{
			Name: "acme-colors", Version: args[1], Files: map[string]string{"index.js": "exports.paint = text => text\n", "noise.bin": noise(size)},
		}))
	case "remove":
		w.servers.Index.Remove(args[1])
	case "login":
		w.servers.Index.User, w.servers.Index.Password = args[1], args[2]
	default:
		return fmt.Errorf("index: unknown fault %s", args[0])
	}
	return nil
}

// noise is text that does not compress, and always the same.
func noise(size int) string {
	text, err := io.ReadAll(io.LimitReader(rand.NewChaCha8([32]byte{}), int64(size)))
	if err != nil {
		panic(err) // a generator has no end
	}
	return string(text)
}

// when does something to a node or the index as soon as a file is there, while the script goes on, and then removes the file, for who waits
// for that: when FILE node|index ARGS…
func when(ts *testscript.TestScript, _ bool, args []string) {
	w, file := ts.Value(worldKey{}).(*world), ts.MkAbs(args[0])
	do := map[string]func(*testscript.TestScript, *world, []string) error{"node": nodeFault, "index": indexFault}[args[1]]
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- fmt.Errorf("when: %s never came", args[0])
				return
			case <-time.After(5 * time.Millisecond):
			}
			if _, err := os.Stat(file); err == nil {
				done <- errors.Join(do(ts, w, args[2:]), os.Remove(file))
				return
			}
		}
	}()
	ts.Defer(func() {
		close(stop)
		if err := <-done; err != nil {
			ts.Logf("%v", err)
		}
	})
}

// killUnit ends the process of a unit behind its manager's back: killunit NODE UNIT.
func killUnit(_ *testscript.TestScript, w *world, args []string) error {
	n, err := w.node(args[0])
	if err != nil {
		return err
	}
	pid := n.Unit(args[1]).PID
	if pid == 0 {
		return fmt.Errorf("%s does not run on %s", args[1], args[0])
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// checkRuns compares what each node's link names, and what its service answers, with a version each; - stands for none:
// runs 1.1.0 1.0.0 -. With --path srv/web it looks at another service, with --link only at the link.
func checkRuns(_ *testscript.TestScript, w *world, args []string) error {
	path, linkOnly := "srv/api", false
	for strings.HasPrefix(args[0], "--") {
		if args[0] == "--link" {
			linkOnly, args = true, args[1:]
			continue
		}
		path, args = args[1], args[2:]
	}
	var got []string
	for _, n := range w.fleet.Nodes {
		linked := "-"
		if target, err := os.Readlink(filepath.Join(n.Home, path, "current")); err == nil {
			linked = release.VersionOf(strings.TrimPrefix(target, "releases/"))
		}
		if served := answers(n.Port); !linkOnly && served != linked {
			linked += "(serves " + served + ")"
		}
		got = append(got, linked)
	}
	if strings.Join(got, " ") != strings.Join(args, " ") {
		return fmt.Errorf("the nodes run %s, want %s", strings.Join(got, " "), strings.Join(args, " "))
	}
	return nil
}

// answers returns the version that a service says of itself, or - if it says nothing. A service that was just restarted gets a moment.
func answers(port int) string {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", port))
	if err != nil {
		return "-"
	}
	defer response.Body.Close()
	var body struct{ Version string }
	text, _ := io.ReadAll(response.Body)
	if json.Unmarshal(text, &body) != nil {
		return fmt.Sprint(response.StatusCode)
	}
	return body.Version
}

// checkCommands compares how many log-ins and commands every node has seen since the fleet started or the last mark:
// commands mark, commands LOGINS COMMANDS.
func checkCommands(_ *testscript.TestScript, w *world, args []string) error {
	defer w.mark()
	if args[0] == "mark" {
		return nil
	}
	for _, n := range w.fleet.Nodes {
		logins, commands := n.SSH.Logins()-w.logins[n.Name], n.SSH.Commands()-w.commands[n.Name]
		if fmt.Sprint(logins) != args[0] || fmt.Sprint(commands) != args[1] {
			return fmt.Errorf("%s saw %d log-ins and %d commands, want %s and %s", n.Name, logins, commands, args[0], args[1])
		}
	}
	return nil
}

func (w *world) mark() {
	w.logins, w.commands = map[string]int{}, map[string]int{}
	for _, n := range w.fleet.Nodes {
		w.logins[n.Name], w.commands[n.Name] = n.SSH.Logins(), n.SSH.Commands()
	}
}

// buildFile writes a version of a sample application that no index has to a folder: build wheel|tarball VERSION DIR. It works as 1.2.0 does.
func buildFile(ts *testscript.TestScript, _ *world, args []string) error {
	var name string
	var content []byte
	var err error
	switch args[0] {
	case "wheel":
		wheels := fleettest.SampleWheels()
		at := slices.IndexFunc(wheels, func(w fleettest.Wheel) bool { return w.Name == "acme-api" && w.Version == "1.2.0" })
		wheels[at].Version = args[1]
		name, content, err = wheels[at].Build()
	case "tarball":
		packages := fleettest.SampleNPM()
		at := slices.IndexFunc(packages, func(p fleettest.NPMPackage) bool { return p.Name == "acme-web" && p.Version == "1.2.0" })
		packages[at].Version = args[1]
		name, content, err = packages[at].Build()
	default:
		err = fmt.Errorf("build: unknown kind %s", args[0])
	}
	dir := ts.MkAbs(args[2])
	return errors.Join(err, os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), content, 0o644))
}

// serve offers the files of a folder over HTTP, at the URL $FILES: serve DIR.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	server := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	ts.Defer(server.Close)
	ts.Setenv("FILES", server.URL)
}

// expand replaces $NAME in files by the environment of the script.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

// exits runs a command and compares its exit status: exits 3 rollpin deploy ….
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}
