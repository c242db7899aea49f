//go:build unix

package fleettest

import (
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestSudo(t *testing.T) {
	t.Parallel()
	fleet := startFleet(t, "web-1")
	node := fleet.Nodes[0]
	client := logInto(t, fleet, node)
	for _, c := range []struct {
		name, password string
		tty            bool
		line, stdin    string
		want           answer
	}{
		{"without a password", "", false, "sudo -n -- cat", "input", answer{"input", "", 0}},
		{"cleans the environment", "", false, `LEAK=1 sudo sh -c 'echo "$USER $SUDO_USER ${LEAK-none} ${PORT-none}"'`, "", answer{"root deploy none none\n", "", 0}},
		{"root has another home", "", false, `sudo sh -c 'test "$HOME" != ` + node.Home + ` && cd && pwd'`, "", answer{node.run + "/root\n", "", 0}},
		{"to oneself", "", false, `sudo -u deploy sh -c 'echo ~'`, "", answer{node.Home + "\n", "", 0}},
		{"hands on the status", "", false, "sudo sh -c 'exit 7'", "", answer{"", "", 7}},
		{"takes one line and leaves the rest", "s3cret", false, "sudo -S -k -p 'Password: ' -u root -- cat", "s3cret\nrest", answer{"rest", "Password: ", 0}},
		{"wrong once", "s3cret", false, "sudo -S -p '> ' echo in", "wrong\ns3cret\n", answer{"in\n", "> Sorry, try again.\n> ", 0}},
		{"wrong thrice", "s3cret", false, "sudo -S -p '> ' echo in", "a\nb\nc\n", answer{"", "> Sorry, try again.\n> Sorry, try again.\n> sudo: 3 incorrect password attempts\n", 1}},
		{"no password given", "s3cret", false, "sudo -S -p '> ' echo in", "", answer{"", "> sudo: no password was provided\n", 1}},
		{"must not ask", "s3cret", false, "sudo -n echo in", "", answer{"", "sudo: a password is required\n", 1}},
		{"cannot ask", "s3cret", false, "sudo echo in", "", answer{"", "sudo: a terminal is required to read the password; either use the -S option " +
			"to read from standard input or configure an askpass helper\nsudo: a password is required\n", 1}},
		{"wants a terminal", "", true, "sudo -n echo in", "", answer{"", "sudo: sorry, you must have a tty to run sudo\n", 1}},
	} {
		if err := node.SetSudo(c.password, c.tty); err != nil {
			t.Fatal(err)
		}
		if got := on(t, client, c.line, c.stdin); got != c.want {
			t.Errorf("%s: got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestSudoOnATerminal(t *testing.T) {
	t.Parallel()
	if !canPTY {
		t.Skip("no pseudo terminals here")
	}
	fleet := startFleet(t, "web-1")
	node := fleet.Nodes[0]
	client := logInto(t, fleet, node)
	if err := node.SetSudo("s3cret", true); err != nil {
		t.Fatal(err)
	}
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	in, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("sudo -p 'Password: ' echo in"); err != nil {
		t.Fatal(err)
	}
	said := ""
	for buffer := make([]byte, 256); ; {
		n, err := out.Read(buffer)
		if said += string(buffer[:n]); said == "Password: " {
			if _, err := in.Write([]byte("s3cret\n")); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	if err := session.Wait(); err != nil || said != "Password: \r\nin\r\n" {
		t.Errorf("the terminal shows %q (%v)", said, err)
	}
}
