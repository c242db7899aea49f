package lab

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Site is a directory with a rollpin.yaml, from which the binary is run.
type Site struct {
	Dir string
	Env []string
	// Host is the name of the machine that the binary believes to be on; empty for this one's.
	Host string
	// Group runs it as a CI system runs a step: below a shell, in a process group of their own, whose id is that of the process.
	Group bool
	lab   *Lab
}

// DefaultConfig deploys both services as deploy with sudo, to the nodes of inventory.yaml beside it. $INDEX and its kin are filled in by Site.
const DefaultConfig = `
discovery: {file: inventory.yaml}
ssh: {user: deploy, become: sudo, config_file: $SSH_CONFIG, connect_timeout: 5s, keepalive: 2s}
x-strategy: &strategy {canary: 1, bake: 1s, batch: 50%}
services:
  api:
    package: acme-api
    manager: pip
    index: $INDEX
    path: /srv/api
    restart: {systemd: api.service}
    health: {http: "http://127.0.0.1:8080/healthz", expect: {version: json:version}, interval: 200ms, timeout: 15s}
    strategy: *strategy
  web:
    package: acme-web
    manager: npm
    index: $REGISTRY
    path: /srv/web
    restart: {systemd: web.service}
    health: {http: "http://127.0.0.1:8081/healthz", expect: {version: json:version}, interval: 200ms, timeout: 15s}
    strategy: *strategy
`

// Site makes a directory with the configuration, where $INDEX, $PRIVATE_INDEX, $REGISTRY, $SSH_CONFIG, $KEY and $KNOWN_HOSTS stand for the
// lab's, and with an inventory of the nodes.
func (l *Lab) Site(t *testing.T, config string, nodes []*Node) *Site {
	t.Helper()
	dir := t.TempDir()
	s := &Site{Dir: dir, lab: l, Env: []string{"XDG_CACHE_HOME=" + filepath.Join(dir, "cache"), "XDG_STATE_HOME=" + filepath.Join(dir, "state"),
		"CONSUL_HTTP_ADDR=" + l.Consul, "CONSUL_HTTP_TOKEN=" + l.Tokens["deployer"]}}
	fill := strings.NewReplacer("$INDEX", l.Index, "$PRIVATE_INDEX", l.PrivateIndex, "$REGISTRY", l.Registry,
		"$SSH_CONFIG", l.SSHConfig, "$KEY", l.Key, "$KNOWN_HOSTS", l.KnownHosts)
	write(t, s.Dir, "rollpin.yaml", fill.Replace(config))
	Inventory(t, s.Dir, nodes)
	return s
}

// Event is what tests read of the events of -o json.
type Event struct {
	Kind    string `json:"event"`
	Node    string `json:"node"`
	Step    string `json:"step"`
	Wave    string `json:"wave"`
	Number  int    `json:"number"`
	Text    string `json:"text"`
	Failure *struct {
		Class string `json:"class"`
		Text  string `json:"text"`
	} `json:"failure"`
}

// Ended is how a run of the binary ended.
type Ended struct {
	Status int
	// Out is standard output, Err standard error; Text is both.
	Out, Err, Text string
	Took           time.Duration
	Events         []Event
}

// Run runs the binary in the site's directory.
func (s *Site) Run(t *testing.T, args ...string) Ended {
	t.Helper()
	return s.Follow(t, func(string, *os.Process) {}, args...)
}

// Follow runs the binary and calls each with every line of its progress, as it comes; -v has a line for every step.
func (s *Site) Follow(t *testing.T, each func(line string, p *os.Process), args ...string) Ended {
	t.Helper()
	cmd := s.command(args)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	ended := s.run(t, cmd, progress, each)
	ended.Out, ended.Err = stdout.String(), ended.Text
	ended.Text = ended.Err + ended.Out
	return ended
}

// Watch runs the binary with -o json and calls each with every event, as it comes. Standard output is the events then.
func (s *Site) Watch(t *testing.T, each func(e Event, p *os.Process), args ...string) Ended {
	t.Helper()
	cmd := s.command(append(args, "-o", "json"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var events []Event
	ended := s.run(t, cmd, stdout, func(line string, p *os.Process) {
		var e Event
		if json.Unmarshal([]byte(line), &e) == nil {
			events = append(events, e)
			each(e, p)
		}
	})
	ended.Events, ended.Out, ended.Err = events, ended.Text, stderr.String()
	ended.Text = ended.Err + ended.Out
	return ended
}

func (s *Site) command(args []string) *exec.Cmd {
	args = append([]string{s.lab.binary}, args...)
	if s.Group {
		args = append([]string{"env", "--default-signal=INT", "sh", "-c", `trap : TERM INT; "$@"; exit $?`, "step"}, args...)
	}
	if s.Host != "" {
		args = append([]string{"unshare", "--uts", "sh", "-c", `hostname "$0" && exec "$@"`, s.Host}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: s.Group}
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), s.Env...)
	return cmd
}

// run starts cmd and reads pipe, one of its streams, to its end; Text has all of it.
func (s *Site) run(t *testing.T, cmd *exec.Cmd, pipe io.Reader, each func(line string, p *os.Process)) Ended {
	t.Helper()
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		each(lines.Text(), cmd.Process)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return Ended{Status: cmd.ProcessState.ExitCode(), Took: time.Since(began), Text: text.String()}
}

// Expect fails the test when the run ended otherwise than with this status, or when its text lacks one of these.
func (e Ended) Expect(t *testing.T, status int, texts ...string) {
	t.Helper()
	if e.Status != status {
		t.Fatalf("exit %d, not %d, after %s\n%s", e.Status, status, e.Took.Round(time.Millisecond), e.Text)
	}
	for _, text := range texts {
		if !strings.Contains(e.Text, text) {
			t.Fatalf("%q is not said:\n%s", text, e.Text)
		}
	}
}

// ExpectTruth fails the test when the nodes run something else: one version a node, "nothing" for none, see Node.Truth.
func ExpectTruth(t *testing.T, service string, nodes []*Node, want string) {
	t.Helper()
	if got := Truths(service, nodes); got != want {
		t.Fatalf("%s runs %s, not %s", service, got, want)
	}
}
