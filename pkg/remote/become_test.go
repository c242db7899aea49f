package remote

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/fleettest"
	"github.com/rollpin/rollpin/pkg/shell"
)

// fakeSudo behaves like sudo 1.9 in what matters here, as MODE says. The real one is met in openssh_test.go.
const fakeSudo = `#!/bin/sh
prompt= ask=yes
while [ $# -gt 0 ]; do
	case $1 in
	-k) ;;
	-S) ;;
	-n) ask=no ;;
	-p) prompt=$2; shift ;;
	-u) SUDO_TO=$2; shift ;;
	--) shift; break ;;
	esac
	shift
done
export SUDO_TO
mode=$(cat "$HOME/mode")
case $mode in
*tty*) [ -t 0 ] || { echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1; } ;;
esac
case $mode in
*password*)
	[ $ask = yes ] || { echo "sudo: a password is required" >&2; exit 1; }
	for try in 1 2 3; do
		printf 'lecture %s\n%s' "$try" "$prompt" >&2
		IFS= read -r given || exit 1
		printf '%s\n' "$given" >>"$HOME/given"
		[ "$given" = "open sesame" ] && exec "$@"
		echo "Sorry, try again." >&2
	done
	echo "sudo: 3 incorrect password attempts" >&2
	exit 1 ;;
*stranger*) echo "deploy is not in the sudoers file." >&2; exit 1 ;;
*silent*) exec sleep 600 ;;
*odd*) echo "sudo: unforeseen" >&2; exit 1 ;;
esac
exec "$@"
`

// sudoWorld is a world whose server has the fake sudo.
func sudoWorld(t *testing.T, mode string) (*world, string, *fleettest.SSHServer) {
	t.Helper()
	w := newWorld(t)
	dir := t.TempDir()
	writeFile(t, dir+"/bin/sudo", fakeSudo)
	writeFile(t, dir+"/mode", mode)
	if err := os.Chmod(dir+"/bin/sudo", 0o700); err != nil {
		t.Fatal(err)
	}
	w.options.SSH.Become = "sudo"
	w.options.SSH.BecomeUser = "app"
	return w, dir, w.server(fleettest.SSHConfig{Dir: dir, Environ: []string{"HOME=" + dir, "PATH=" + dir + "/bin:" + os.Getenv("PATH")}})
}

func TestBecome(t *testing.T) {
	for _, mode := range []string{"free", "password", "tty", "password tty"} {
		if strings.Contains(mode, "tty") {
			if _, err := os.Stat("/dev/ptmx"); err != nil || !onLinux {
				continue
			}
		}
		w, dir, server := sudoWorld(t, mode)
		w.options.BecomePassword = "open sesame"
		node := w.dialer().Node(nodeOf("web-1", server.Addr()))
		s := script(`fact to "$SUDO_TO"; fact v "$v"; cat; echo "open sesame" >&2; exit 4`)
		s.Vars = []shell.Var{{Name: "v", Value: "x\ty"}}
		for range 2 {
			result, err := node.Run(within(t, 10*time.Second), s)
			var exit *shell.ExitError
			if !errors.As(err, &exit) || exit.Status != 4 {
				t.Fatalf("%s: %v", mode, err)
			}
			facts := result.Facts()
			if facts.Get("to") != "app" || facts.Get("v") != "x\ty" {
				t.Errorf("%s: %+v", mode, result)
			}
			if all := result.Stdout + result.Stderr; strings.Contains(all, "sesame") || strings.Contains(all, "lecture") || strings.Contains(all, "rollpin-") || !strings.Contains(all, "***") {
				t.Errorf("%s: printed %q", mode, all)
			}
		}
		given, _ := os.ReadFile(dir + "/given")
		if asked := strings.Contains(mode, "password"); asked != (string(given) == "open sesame\nopen sesame\n") {
			t.Errorf("%s: the password was given as %q", mode, given)
		}
		if want := map[bool]int{false: 2, true: 3}[strings.Contains(mode, "tty")]; server.Commands() != want || server.Logins() != 1 {
			t.Errorf("%s: %d commands, want %d: the need of a terminal is remembered", mode, server.Commands(), want)
		}
	}
}

func TestBecomeRefusals(t *testing.T) {
	for name, c := range map[string]struct{ mode, password, text, hint string }{
		"wrong password": {"password", "guess", "password is wrong", "become_password"},
		"no password":    {"password", "", "there is none", "NOPASSWD"},
		"not allowed":    {"stranger", "", "deploy is not allowed", "sudoers.d"},
		"unforeseen":     {"odd", "", "sudo: unforeseen", "try on the node"},
		"silent":         {"silent", "", "neither asked for a password nor began", "try on the node"},
	} {
		w, dir, server := sudoWorld(t, c.mode)
		w.options.BecomePassword = c.password
		if name == "silent" {
			w.options.SSH.ConnectTimeout = 300 * time.Millisecond
		}
		start := time.Now()
		_, err := w.dialer().Node(nodeOf("web-1", server.Addr())).Run(within(t, 10*time.Second), script("touch ran"))
		var refused *BecomeError
		if !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want a BecomeError", name, err)
			continue
		}
		contains(t, err.Error(), "web-1: cannot become app", c.text)
		contains(t, refused.Hint(), c.hint)
		if _, err := os.Stat(dir + "/ran"); err == nil || time.Since(start) > 3*time.Second {
			t.Errorf("%s: took %v, ran: %v", name, time.Since(start), err == nil)
		}
		if given, _ := os.ReadFile(dir + "/given"); c.password != "" && string(given) != c.password+"\n" {
			t.Errorf("%s: the password was given as %q, want it once", name, given)
		}
		if c.password != "" && strings.Contains(err.Error(), c.password) {
			t.Errorf("%s: the password shows in %v", name, err)
		}
	}
	w, dir, server := sudoWorld(t, "free")
	if err := os.Remove(dir + "/bin/sudo"); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("sudo"); err == nil {
		return // the machine's own would be found
	}
	_, err := w.dialer().Node(nodeOf("web-1", server.Addr())).Run(t.Context(), script("true"))
	contains(t, err.Error(), "not installed")
}
