package inventory

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const examples = "../../examples"

func TestExampleInventory(t *testing.T) {
	nodes, err := FromFile(filepath.Join(examples, "inventory.yaml")).Nodes(t.Context(), Query{Environment: "production", Role: "api"})
	if err != nil || names(nodes) != "api-1 api-2 api-3" || nodes[2].Address != "fd00::13" || nodes[2].Port != 2222 {
		t.Errorf("got %+v, %v", nodes, err)
	}
}

// What CI systems run for each choice of parameters, with echo in place of rollpin.
func TestExamplePipelines(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct{ Steps []struct{ Name, Run string } }
	}
	load(t, "github-actions.yml", &workflow)
	var action string
	for _, step := range workflow.Jobs["rollpin"].Steps {
		if step.Name == "Run rollpin" {
			action = step.Run
		}
	}
	pipeline, err := os.ReadFile(filepath.Join(examples, "Jenkinsfile"))
	if err != nil {
		t.Fatal(err)
	}
	_, jenkins, _ := strings.Cut(string(pipeline), "script: '''")
	jenkins, _, _ = strings.Cut(jenkins, "'''")
	jenkins = strings.ReplaceAll(jenkins, "\\\n", "") // Groovy joins lines, too

	const tail = " --timeout=55m --no-color -- api\n"
	for _, c := range []struct{ action, role, version, want string }{
		{"deploy", "", "", "deploy --env=production" + tail},
		{"dry run", "web", "1.2.0", "deploy --dry-run --env=production --role=web --version=1.2.0" + tail},
		{"rollback", "a b", "", "rollback --env=production --role=a b" + tail},
	} {
		for name, script := range map[string]string{"github-actions.yml": action, "Jenkinsfile": jenkins} {
			got := runScript(t, script, "ACTION="+c.action, "ROLE="+c.role, "VERSION="+c.version, "ENVIRONMENT=production", "PACKAGE=api")
			if got != c.want {
				t.Errorf("%s: %s: got %q, want %q", name, c.action, got, c.want)
			}
		}
	}
}

func TestExampleRundeckJobs(t *testing.T) {
	var jobs []struct {
		Name, LogLevel string
		Options        []struct{ Name string }
		Sequence       struct{ Commands []struct{ Script string } }
	}
	load(t, "rundeck-job.yaml", &jobs)
	for i, want := range []string{"deploy", "rollback"} {
		got := runScript(t, jobs[i].Sequence.Commands[0].Script, "RD_OPTION_ENVIRONMENT=staging", "RD_OPTION_PACKAGE=api", "RD_OPTION_VERSION=1.0")
		if got != want+" --config=/etc/rollpin/rollpin.yaml --env=staging --version=1.0 --timeout=55m --no-color -- api\n" {
			t.Errorf("%s: got %q", want, got)
		}
	}
}

func load(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examples, name))
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// runScript returns what a script makes of its parameters: the arguments that rollpin would get.
func runScript(t *testing.T, script string, environ ...string) string {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rollpin"), []byte("#!/bin/sh\necho \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(sh, "-eu", "-c", script)
	cmd.Dir, cmd.Env = dir, append(environ, "PATH="+dir+":"+os.Getenv("PATH"))
	printed, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	return string(printed)
}
