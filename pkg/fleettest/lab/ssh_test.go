package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// as is the default configuration with another ssh block.
func as(t *testing.T, ssh string) string {
	t.Helper()
	return changed(t, "ssh: {user: deploy, become: sudo, config_file: $SSH_CONFIG, connect_timeout: 5s, keepalive: 2s}", "ssh: {"+ssh+"}")
}

const notYet = "not deployed yet"

// watchFor looks into every process of this machine, those of its nodes among them, until stop is called; stop fails the test if a secret
// stood in one of these files of /proc/PID.
func watchFor(t *testing.T, files []string, secrets ...string) (stop func()) {
	t.Helper()
	quit, done := make(chan struct{}), make(chan string)
	go func() {
		for looks := 0; ; looks++ {
			found := processWith(files, secrets)
			select {
			case <-quit:
				if found == "" && looks == 0 {
					found = "nobody looked"
				}
				done <- found
				return
			default:
			}
			if found != "" {
				<-quit
				done <- found
				return
			}
		}
	}()
	return func() {
		t.Helper()
		close(quit)
		if found := <-done; found != "" {
			t.Errorf("a secret stands in a process list: %s", found)
		}
	}
}

func processWith(files, secrets []string) string {
	for _, name := range files {
		paths, _ := filepath.Glob("/proc/[0-9]*/" + name)
		for _, path := range paths {
			text, _ := os.ReadFile(path)
			for _, secret := range secrets {
				if strings.Contains(string(text), secret) {
					arguments, _ := os.ReadFile(filepath.Dir(path) + "/cmdline")
					return path + " of " + strings.ReplaceAll(string(arguments), "\x00", " ")
				}
			}
		}
	}
	return ""
}

// keepsNo fails the test when a file or the journal of the node has the secret.
func (n *Node) keepsNo(t *testing.T, secret string) {
	t.Helper()
	root := filepath.Join(n.Dir, "root")
	pattern := write(t, t.TempDir(), "pattern", secret+"\n")
	out, _ := exec.Command("grep", "-rlaF", "-f", pattern, root+"/srv", root+"/home", root+"/root", root+"/tmp", root+"/var/log", root+"/var/tmp").Output()
	if len(out) > 0 {
		t.Errorf("%s keeps the secret in %s", n.Name, out)
	}
	if journal := n.Must(t, "journalctl --no-pager -q -o export"); strings.Contains(journal, secret) {
		t.Errorf("the journal of %s has the secret", n.Name)
	}
}

func TestSudoWithAPassword(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	status := []string{"status", "web", "-e", "production"}
	preflight := []string{"deploy", "web==1.0.0", "-e", "production"}

	l.Site(t, as(t, "user: carol, become: sudo, config_file: $SSH_CONFIG"), nodes).Run(t, preflight...).
		Expect(t, 3, "cannot become root: sudo asks carol for a password, and there is none", "become_password_file", "NOPASSWD")
	byFile := func(user, password string) *Site {
		site := l.Site(t, as(t, "user: "+user+", become: sudo, become_password_file: password, config_file: $SSH_CONFIG"), nodes)
		write(t, site.Dir, "password", password+"\n")
		return site
	}
	e := byFile("carol", "not-her-secret").Run(t, preflight...)
	e.Expect(t, 3, "cannot become root: the password is wrong")
	if strings.Contains(e.Text, "not-her-secret") {
		t.Errorf("the password is shown:\n%s", e.Text)
	}
	byFile("dora", "dora-secret").Run(t, status...).Expect(t, 4, notYet) // requiretty
	byEnvironment := l.Site(t, as(t, "user: carol, become: sudo, config_file: $SSH_CONFIG"), nodes)
	byEnvironment.Env = append(byEnvironment.Env, "ROLLPIN_BECOME_PASSWORD=carol-secret")
	byEnvironment.Run(t, status...).Expect(t, 4, notYet)

	l.Site(t, as(t, "user: deploy, become: sudo, become_user: nobody-here, config_file: $SSH_CONFIG"), nodes).Run(t, preflight...).
		Expect(t, 3, "cannot become nobody-here: there is no such user on the node")
	l.Site(t, as(t, "user: deploy, become: sudo, become_user: carol, config_file: $SSH_CONFIG"), nodes).Run(t, preflight...).
		Expect(t, 3, "carol may not write to /srv")

	stop := watchFor(t, []string{"cmdline", "environ"}, "carol-secret")
	e = byFile("carol", "carol-secret").Run(t, preflight...)
	stop()
	e.Expect(t, 0)
	if strings.Contains(e.Text, "carol-secret") {
		t.Errorf("the password is shown:\n%s", e.Text)
	}
	nodes[0].keepsNo(t, "carol-secret")
	ExpectTruth(t, "web", nodes, "1.0.0")
}

// sshd gives the node's server a setting until the test ends.
func (n *Node) sshd(t *testing.T, text string) {
	t.Helper()
	n.Must(t, "echo '"+text+"' > /etc/ssh/sshd_config.d/000-test.conf; systemctl restart ssh")
	t.Cleanup(func() { _, _ = n.Exec("rm -f /etc/ssh/sshd_config.d/000-test.conf; systemctl restart ssh") })
}

// A server without forwarding cannot be asked for health: that is told before anything is touched.
func TestForwardingForbidden(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	nodes[0].sshd(t, "AllowTcpForwarding no")
	site := l.Site(t, DefaultConfig, nodes)
	site.Run(t, "deploy", "web==1.0.0", "-e", "production").
		Expect(t, 3, "connecting to 127.0.0.1:8081 through SSH is forbidden", "AllowTcpForwarding", "no running service was touched")
	ExpectTruth(t, "web", nodes, "nothing")
}

func TestProxyJump(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 3)
	jump, behind := nodes[0], nodes[1:]
	for _, n := range behind {
		n.Must(t, `nft add table inet door
			nft 'add chain inet door in { type filter hook input priority 0; }'
			nft add rule inet door in ip saddr != `+jump.Address+` tcp dport 22 drop`)
		t.Cleanup(func() { _, _ = n.Exec("nft delete table inet door") })
	}
	// The jump host takes few log-ins at a time, and is logged in to once.
	jump.sshd(t, "MaxStartups 1")
	l.Site(t, as(t, "user: deploy, become: sudo, config_file: $SSH_CONFIG, connect_timeout: 2s"), behind).Run(t, "status", "api", "-e", "production").
		Expect(t, 4, "no node answered", "no answer from "+behind[0].Address+":22 within 2s")
	l.Site(t, as(t, "user: deploy, become: sudo, config_file: $SSH_CONFIG, proxy_jump: deploy@"+jump.Address), behind).Run(t, "status", "api", "-e", "production").
		Expect(t, 4, notYet, "2  "+behind[0].Name+" "+behind[1].Name)
	if logins := jump.Must(t, "journalctl "+sshd+" | grep -c 'Accepted publickey for deploy from 10.77.0.1 '"); logins == "0" {
		t.Error("nobody went through the jump host")
	}
}

// Twelve ports of one server are twelve log-ins at once, where it takes two at a time.
func TestBusyServer(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	n := nodes[0]
	var settings, inventory, known strings.Builder
	key := strings.Fields(n.Must(t, "cat /etc/ssh/ssh_host_ed25519_key.pub"))
	settings.WriteString("AddressFamily inet\nPort 22\nMaxStartups 2\n") // sshd listens on 16 sockets at most
	inventory.WriteString("nodes:\n")
	for i := range 12 {
		port := 2201 + i
		fmt.Fprintf(&settings, "Port %d\n", port)
		fmt.Fprintf(&inventory, "  - {name: door-%d, address: \"%s:%d\", roles: [api], environment: production}\n", i+1, n.Address, port)
		fmt.Fprintf(&known, "[%s]:%d %s %s\n", n.Address, port, key[0], key[1])
	}
	n.sshd(t, settings.String())
	n.Must(t, `for try in $(seq 100); do [ "$(ss -Hltn4 | grep -c ':22[01]')" -lt 12 ] || exit 0; sleep 0.1; done; exit 1`)
	site := l.Site(t, as(t, "user: deploy, become: sudo, config_file: none, identity_files: [$KEY], known_hosts: known_hosts, connect_timeout: 30s"), nodes)
	write(t, site.Dir, "inventory.yaml", inventory.String())
	write(t, site.Dir, "known_hosts", known.String())
	site.Run(t, "status", "api", "-e", "production").Expect(t, 4, notYet, " 12  door-1 ")
	if refused := n.Must(t, "journalctl "+sshd+" | grep -ci -e maxstartups -e 'drop connection' || true"); refused == "0" {
		t.Error("the server turned nobody away")
	}
}

var fixes = regexp.MustCompile(`(?m)^ *hint: .*(?:then|anew): (.*)$`)

func TestHostKeys(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	n := nodes[0]
	site := l.Site(t, as(t, "user: deploy, become: sudo, config_file: none, identity_files: [$KEY], known_hosts: known_hosts"), nodes)
	status := []string{"status", "api", "-e", "production"}
	known, err := os.ReadFile(l.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, site.Dir, "known_hosts", string(known))
	site.Run(t, status...).Expect(t, 4, notYet)

	n.Must(t, `cd /etc/ssh; cp ssh_host_ed25519_key kept; cp ssh_host_ed25519_key.pub kept.pub
		rm ssh_host_ed25519_key*; ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key; systemctl restart ssh`)
	t.Cleanup(func() {
		_, _ = n.Exec("cd /etc/ssh; mv kept ssh_host_ed25519_key; mv kept.pub ssh_host_ed25519_key.pub; systemctl restart ssh")
	})
	fingerprint := regexp.MustCompile(`SHA256:\S+`).FindString(n.Must(t, "ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub"))
	for _, problem := range []string{"changed", "unknown"} {
		if problem == "unknown" {
			write(t, site.Dir, "known_hosts", "")
		}
		e := site.Run(t, "deploy", "api==1.0.0", "-e", "production")
		e.Expect(t, 3, problem, fingerprint, path)
		fix := fixes.FindStringSubmatch(e.Text)
		if fix == nil {
			t.Fatalf("no command that mends it:\n%s", e.Text)
		}
		cmd := exec.Command("sh", "-c", fix[1])
		cmd.Dir = site.Dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", fix[1], err, out)
		}
		site.Run(t, status...).Expect(t, 4, notYet)
	}
}

// A server with a banner, a user whose shell is not bash, one whose shell prints things before anything else, and a key that only the
// agent has.
func TestLogInsOfAllKinds(t *testing.T) {
	t.Parallel()
	l := lab(t)
	nodes := l.Take(t, 1)
	n := nodes[0]
	n.Must(t, `echo 'Unauthorised use is forbidden ::error no' > /etc/banner; usermod -s /bin/dash carol
		printf 'echo welcome to this node\necho "::current evil"\n' > /home/deploy/.bashrc.new; cat /home/deploy/.bashrc >> /home/deploy/.bashrc.new
		cp -p /home/deploy/.bashrc /home/deploy/.kept; cp /home/deploy/.bashrc.new /home/deploy/.bashrc`)
	n.sshd(t, "Banner /etc/banner")
	t.Cleanup(func() {
		_, _ = n.Exec("usermod -s /bin/bash carol; mv /home/deploy/.kept /home/deploy/.bashrc; rm -f /home/deploy/.bashrc.new /etc/banner")
	})
	l.Site(t, DefaultConfig, nodes).Run(t, "status", "api", "-e", "production").Expect(t, 4, notYet)

	site := l.Site(t, as(t, "user: carol, config_file: none, known_hosts: $KNOWN_HOSTS"), nodes)
	site.Env = append(site.Env, "HOME="+site.Dir)
	socket := filepath.Join(site.Dir, "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Process.Kill(); _ = agent.Wait() })
	site.Env = append(site.Env, "SSH_AUTH_SOCK="+socket)
	add := exec.Command("sh", "-c", `for try in $(seq 100); do [ ! -S "$SSH_AUTH_SOCK" ] || exec ssh-add -q "$0"; sleep 0.1; done; exit 1`, l.Key)
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %v: %s", err, out)
	}
	site.Run(t, "status", "api", "-e", "production").Expect(t, 4, notYet)
}
