//go:build linux

package remote

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/rollpin/rollpin/pkg/inventory"
)

const (
	// sshUser is a user who exists only for the sshd under test.
	sshUser, sshUID = "rollpin", "64242"
	// sudoPassword is what shadowHash hides: openssl passwd -6 -salt rollpin 'open sesame'.
	sudoPassword = "open sesame"
	shadowHash   = "$6$rollpin$tJVGjWP4nppNIq0pH15b2NDY8eiltQq1MqRHCYwjDuTWVibZjGyVAxMlk9E3jQwU8sdJLzZQKoAwpQH66f7SG0"
)

// sshd is a real OpenSSH server on loopback, in namespaces of its own, so that its user, his sudo rights and its processes end with it.
type sshd struct {
	t       *testing.T
	dir     string // readable for the user
	home    string
	port    int
	hostKey ssh.PublicKey
	process *exec.Cmd
	log     *output
}

// sshdOptions are what differs from test to test.
type sshdOptions struct {
	config  string // more lines of sshd_config
	sudoers string
	shell   string // the user's log-in shell, bash by default
}

// requireOpenSSH skips where there is no real OpenSSH to be had, unless ROLLPIN_TEST_REQUIRE asks for it. With -short the in-process server
// has to do.
func requireOpenSSH(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real OpenSSH servers")
	}
	missing := ""
	if os.Getuid() != 0 {
		missing = "needs root"
	}
	for _, program := range []string{"/usr/sbin/sshd", "ssh-keygen", "ssh-agent", "ssh-add", "sudo", "unshare", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = "needs " + program
		}
	}
	if missing == "" && exec.Command("unshare", "-m", "-p", "-f", "--mount-proc", "true").Run() != nil {
		missing = "needs namespaces"
	}
	switch {
	case missing == "":
	case strings.Contains(os.Getenv("ROLLPIN_TEST_REQUIRE"), "openssh"):
		t.Fatalf("real OpenSSH is required: %s", missing)
	default:
		t.Skipf("no real OpenSSH: %s", missing)
	}
}

// inNamespace runs in the new namespaces: the machine's files are covered, never changed.
const inNamespace = `set -e
mount --make-rprivate /
for file in passwd shadow group sudoers; do mount --bind "$1/$file" "/etc/$file"; done
mount -t tmpfs tmpfs /run
mkdir -m 0755 /run/sshd
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
`

// startSSHD starts a server that takes the world's key, and adds its host key to known_hosts.
func (w *world) startSSHD(options sshdOptions) *sshd {
	t := w.t
	t.Helper()
	requireOpenSSH(t)
	dir, err := os.MkdirTemp("", "rollpin-sshd")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &sshd{t: t, dir: dir, home: dir + "/home", port: freePort(t), log: &output{maxHead: 1 << 20}}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s.writeFiles(w, options)
	s.process = exec.Command("unshare", "-m", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", inNamespace, "sh", dir)
	s.process.Stderr = s.log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		if t.Failed() {
			t.Logf("sshd said:\n%s", s.log)
		}
	})
	// Its own word, not a connection: another program may have got the port first.
	eventually(t, "sshd listens", func() bool { return strings.Contains(s.log.String(), "Server listening on") })
	return s
}

func (s *sshd) writeFiles(w *world, options sshdOptions) {
	s.t.Helper()
	shell := options.shell
	if shell == "" {
		shell = "/bin/bash"
	}
	for name, extra := range map[string]string{
		"passwd": fmt.Sprintf("%s:x:%s:%s::%s:%s\n", sshUser, sshUID, sshUID, s.home, shell),
		"shadow": sshUser + ":" + shadowHash + ":19000:0:99999:7:::\n",
		"group":  fmt.Sprintf("%s:x:%s:\n", sshUser, sshUID),
	} {
		text, err := os.ReadFile("/etc/" + name)
		if err != nil {
			s.t.Fatal(err)
		}
		s.write(name, string(text)+extra, 0o644)
	}
	s.write("sudoers", "Defaults secure_path=/usr/sbin:/usr/bin:/sbin:/bin\nDefaults !use_pty\nroot ALL=(ALL) ALL\n"+options.sudoers+"\n", 0o440)
	s.write("authorized_keys", string(ssh.MarshalAuthorizedKey(w.signer.PublicKey())), 0o644)
	keygen(s.t, "-q", "-t", "ed25519", "-N", "", "-f", s.dir+"/host")
	s.hostKey = readPublic(s.dir + "/host.pub")
	s.write("sshd_config", fmt.Sprintf(`%s
ListenAddress 127.0.0.1:%d
HostKey %[3]s/host
AuthorizedKeysFile %[3]s/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel VERBOSE
`, strings.ReplaceAll(options.config, "DIR", s.dir), s.port, s.dir), 0o644)
	if err := os.Mkdir(s.home, 0o755); err != nil {
		s.t.Fatal(err)
	}
	uid, _ := strconv.Atoi(sshUID)
	if err := os.Chown(s.home, uid, uid); err != nil {
		s.t.Fatal(err)
	}
	w.know(s.address(), s.hostKey)
	w.options.SSH.User = sshUser
}

func (s *sshd) write(name, text string, mode os.FileMode) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sshd) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *sshd) node(name string) inventory.Node { return nodeOf(name, s.address()) }

// processes are the server's own and all below it.
func (s *sshd) processes() []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
	}
	all := children[s.process.Process.Pid]
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// named counts the server's processes whose command line contains text.
func (s *sshd) named(text string) int {
	count := 0
	for _, pid := range s.processes() {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(strings.ReplaceAll(string(line), "\x00", " "), text) {
			count++
		}
	}
	return count
}

func (s *sshd) signal(number syscall.Signal) {
	for _, pid := range s.processes() {
		_ = syscall.Kill(pid, number)
	}
}

func keygen(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// authorize adds the public key at path to what the server takes.
func (s *sshd) authorize(path string) {
	s.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	known, _ := os.ReadFile(s.dir + "/authorized_keys")
	s.write("authorized_keys", string(known)+string(text), 0o644)
}

// realAgent starts OpenSSH's agent with the given key files.
func (w *world) realAgent(paths ...string) {
	w.t.Helper()
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		w.t.Fatal(err)
	}
	socket := dir + "/socket"
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait()
		_ = os.RemoveAll(dir)
	})
	// The socket is there a moment before the agent listens on it.
	eventually(w.t, "the agent listens", func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	add := exec.Command("ssh-add", append([]string{"-q"}, paths...)...)
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if out, err := add.CombinedOutput(); err != nil {
		w.t.Fatalf("ssh-add: %v\n%s", err, out)
	}
	w.options.Getenv = func(name string) string { return map[string]string{"SSH_AUTH_SOCK": socket}[name] }
}

// knownName is the server's name in known_hosts.
func (s *sshd) knownName() string { return knownhosts.Normalize(s.address()) }
