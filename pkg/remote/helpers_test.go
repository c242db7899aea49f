package remote

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// runLocally runs a command line as a log-in shell would, with input, and returns status and output.
func runLocally(t *testing.T, line, input string) (int, string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func waitForFile(t *testing.T, path string) (text string) {
	t.Helper()
	eventually(t, path+" exists", func() bool {
		content, err := os.ReadFile(path)
		text = string(content)
		return err == nil
	})
	return text
}

const onLinux = runtime.GOOS == "linux"

// alive tells whether a process runs; a zombie does not.
func alive(pid string) bool {
	if runtime.GOOS != "linux" {
		return exec.Command("kill", "-0", pid).Run() == nil
	}
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
