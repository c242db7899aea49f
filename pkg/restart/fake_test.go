package restart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/shell"
)

// stub stands for a tool. It answers by its first word that is no option: the file VERB.1 at the first call, VERB.2 at the second, and the last one
// there is from then on. A first line "exit N" is its status.
const stub = `#!/bin/sh
tool=${0##*/}
echo "$tool $*" >>"$FAKE/calls"
verb=none
for word; do case $word in -* | [0-9]*) ;; *) verb=$word; break ;; esac; done
count=$(cat "$FAKE/$tool.$verb.count" 2>/dev/null || echo 0)
count=$((count + 1))
[ -e "$FAKE/$tool.$verb.$count" ] && echo "$count" >"$FAKE/$tool.$verb.count" || count=$((count - 1))
answer=$FAKE/$tool.$verb.$count
[ -e "$answer" ] || exit 0
if IFS= read -r first <"$answer" && [ "${first#exit }" != "$first" ]; then
	sed 1d "$answer"
	exit "${first#exit }"
fi
cat "$answer"
`

// shells are those of this machine that scripts must run under; with -short only the first of them.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	if testing.Short() {
		return map[string][]string{"sh": {"/bin/sh"}}
	}
	found := map[string][]string{}
	for name, argv := range map[string][]string{"dash": {"dash"}, "bash": {"bash", "--posix"}, "ash": {"busybox", "sh"}} {
		if path, err := exec.LookPath(argv[0]); err == nil {
			found[name] = append([]string{path}, argv[1:]...)
		}
	}
	if len(found) == 0 {
		found["sh"] = []string{"/bin/sh"}
	}
	return found
}

// node is a place where scripts run: tools that answer as told, and nothing of this machine's managers.
type node struct {
	dir   string
	shell []string
	env   []string
}

func newNode(t *testing.T, sh []string, answers map[string][]string) *node {
	t.Helper()
	n := &node{dir: t.TempDir(), shell: sh}
	n.tool(t, "sleep", "#!/bin/sh\nexit 0\n")
	for key, texts := range answers {
		tool, verb, _ := strings.Cut(key, " ")
		n.tool(t, tool, stub)
		for i, text := range texts {
			n.file(t, fmt.Sprintf("%s.%s.%d", tool, verb, i+1), text)
		}
	}
	return n
}

func (n *node) tool(t *testing.T, name, text string) {
	t.Helper()
	n.file(t, "bin/"+name, text)
}

func (n *node) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func (n *node) calls() string {
	text, _ := os.ReadFile(filepath.Join(n.dir, "calls"))
	return string(text)
}

// run gives the script's answer and, if it failed, its reason.
func (n *node) run(t *testing.T, s shell.Script) (shell.Facts, string) {
	t.Helper()
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.shell[0], n.shell[1:]...)
	cmd.Stdin = strings.NewReader(text)
	cmd.Dir = n.dir
	cmd.Env = append([]string{"PATH=" + n.dir + "/bin:/usr/bin:/bin", "FAKE=" + n.dir, "HOME=" + n.dir}, n.env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if stderr.Len() > 0 {
		t.Errorf("the script complains: %s", stderr.String())
	}
	facts := shell.ParseFacts(string(out))
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if facts.Get("error") == "" {
			t.Errorf("status %d and no reason", exit.ExitCode())
		}
		return facts, facts.Get("error")
	}
	if err != nil {
		t.Fatal(err)
	}
	return facts, ""
}

// scene is one table case of a kind.
type scene struct {
	name    string
	answers map[string][]string
	action  string
	reason  string   // of the failure; empty for none
	log     []string // lines that the failure must show
	hint    string   // a part of it
	called  []string // calls that must be seen
	avoided []string // calls that must not
}

func (s scene) play(t *testing.T, script shell.Script) {
	for name, sh := range shells(t) {
		t.Run(s.name+"/"+name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, sh, s.answers)
			facts, reason := n.run(t, script)
			if reason != s.reason {
				t.Errorf("reason %q, want %q", reason, s.reason)
			}
			log := facts.Text("log")
			for _, line := range s.log {
				if !strings.Contains(log, line) {
					t.Errorf("the log lacks %q:\n%s", line, log)
				}
			}
			if hint := facts.Get("hint"); !strings.Contains(hint, s.hint) {
				t.Errorf("hint %q, want %q in it", hint, s.hint)
			}
			for _, call := range s.called {
				if !strings.Contains(n.calls(), call) {
					t.Errorf("never called %q:\n%s", call, n.calls())
				}
			}
			for _, call := range s.avoided {
				if strings.Contains(n.calls(), call) {
					t.Errorf("called %q:\n%s", call, n.calls())
				}
			}
		})
	}
}
