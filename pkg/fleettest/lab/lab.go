// Package lab holds the tests on real hosts: Debian nodes with systemd, OpenSSH and Consul, that scripts/lab has booted. They run inside the
// lab's network, drive the real binary, and look at the nodes by a way of their own, never by rollpin.
package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Lab is what scripts/lab writes into lab.json.
type Lab struct {
	Name         string            `json:"name"`
	Dir          string            `json:"dir"`
	Namespace    string            `json:"namespace"`
	Options      string            `json:"options"`
	User         string            `json:"user"`
	Key          string            `json:"key"`
	KnownHosts   string            `json:"known_hosts"`
	SSHConfig    string            `json:"ssh_config"`
	Index        string            `json:"index"`
	PrivateIndex string            `json:"private_index"`
	Registry     string            `json:"registry"`
	Consul       string            `json:"consul"`
	Tokens       map[string]string `json:"tokens"`
	Nodes        []*Node           `json:"nodes"`

	script string // scripts/lab
	binary string // rollpin
	free   chan *Node
}

// Node is one host of the lab.
type Node struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Zone    string `json:"zone"`
	// Dir is its place on this machine: root is its file system.
	Dir string `json:"dir"`
	lab *Lab
}

// Open reads the lab that the environment names. It is nil, with no error, where there is none: ROLLPIN_TEST_LAB is its lab.json,
// ROLLPIN_TEST_LAB_SCRIPT scripts/lab, and ROLLPIN_TEST_BINARY the binary to drive.
func Open() (*Lab, error) {
	path := os.Getenv("ROLLPIN_TEST_LAB")
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	l := &Lab{script: os.Getenv("ROLLPIN_TEST_LAB_SCRIPT"), binary: os.Getenv("ROLLPIN_TEST_BINARY")}
	if err := json.Unmarshal(text, l); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	l.free = make(chan *Node, len(l.Nodes))
	for _, n := range l.Nodes {
		n.lab = l
		l.free <- n
	}
	return l, nil
}

// taking lets one test at a time collect its nodes, so that two never wait for each other's.
var taking sync.Mutex

// Take gives the test so many nodes for itself, in the order of their names, as they are after boot; it waits until they are free. Any break
// is healed at its end.
func (l *Lab) Take(t *testing.T, count int) []*Node {
	t.Helper()
	taking.Lock()
	defer taking.Unlock()
	if count > len(l.Nodes) {
		t.Fatalf("the lab has %d nodes, not %d", len(l.Nodes), count)
	}
	taken := make([]*Node, count)
	for i := range taken {
		taken[i] = <-l.free
	}
	slices.SortFunc(taken, func(a, b *Node) int { return slices.Index(l.Nodes, a) - slices.Index(l.Nodes, b) })
	t.Cleanup(func() {
		for _, n := range taken {
			if err := n.reset(); err != nil {
				t.Errorf("putting %s right again: %v", n.Name, err)
			}
			l.free <- n
		}
	})
	return taken
}

// reset heals a node and takes off what a deployment left on it.
func (n *Node) reset() error {
	if out, err := n.lab.call("heal", n.Name); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	_, err := n.Exec(`
		rm -f /etc/systemd/system/*.service.d/*.conf
		systemctl daemon-reload
		systemctl stop api web
		systemctl reset-failed
		pkill 'acme-.*-leak'
		rm -rf /srv/* /etc/pip.conf /root/.npmrc /etc/npmrc`)
	return err
}

// Exec runs shell text as root inside the node, without SSH, and returns what it prints.
func (n *Node) Exec(text string) (string, error) {
	return n.lab.call("exec", n.Name, "sh", "-c", text+"\ntrue")
}

// Must is Exec that fails the test.
func (n *Node) Must(t *testing.T, text string) string {
	t.Helper()
	out, err := n.Exec(text)
	if err != nil {
		t.Fatalf("%s: %v\n%s", n.Name, err, out)
	}
	return strings.TrimSpace(out)
}

// Break breaks the node; see scripts/lab help for the kinds.
func (n *Node) Break(kind string) error {
	out, err := n.lab.call("break", n.Name, kind)
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Heal undoes all breaks.
func (n *Node) Heal(t *testing.T) {
	t.Helper()
	if out, err := n.lab.call("heal", n.Name); err != nil {
		t.Fatalf("healing %s: %v: %s", n.Name, err, out)
	}
}

// Truth is what a node really runs, in one line: "VERSION" when the unit is active, the version that its /healthz answers is the one of the
// link current, and both agree; otherwise the parts that differ. A unit that systemd is still starting or stopping gets 20 s to end that.
func (n *Node) Truth(service string) string {
	port := map[string]string{"api": "8080", "web": "8081"}[service]
	out, err := n.Exec(`
		for try in $(seq 40); do
			case $(systemctl show -p ActiveState --value ` + service + `) in
			activating|deactivating) sleep 0.5 ;;
			*) break ;;
			esac
		done
		link=$(readlink /srv/` + service + `/current) || link=none
		link=${link##*/}
		state=$(systemctl show -p ActiveState --value ` + service + `)
		answer=$(curl -s -m 3 http://127.0.0.1:` + port + `/healthz | sed -n 's/.*"version": *"\([^"]*\)".*/\1/p')
		printf '%s %s %s' "${link%-*}" "$state" "${answer:-silent}"`)
	if err != nil {
		return fmt.Sprintf("unknown: %v", err)
	}
	parts := strings.Fields(out)
	if len(parts) == 3 && parts[1] == "active" && parts[0] == parts[2] {
		return parts[0]
	}
	if out == "none inactive silent" {
		return "nothing"
	}
	return out
}

// Truths joins what the nodes run: "n1=1.0.0 n2=1.1.0".
func Truths(service string, nodes []*Node) string {
	all := make([]string, len(nodes))
	var group sync.WaitGroup
	for i, n := range nodes {
		group.Go(func() { all[i] = n.Truth(service) })
	}
	group.Wait()
	return strings.Join(all, " ")
}

// call runs a command of scripts/lab.
func (l *Lab) call(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, l.script, args...)
	cmd.Env = append(os.Environ(), "ROLLPIN_LAB="+l.Name)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// Inventory writes an inventory file of the nodes into dir and returns its path.
func Inventory(t *testing.T, dir string, nodes []*Node) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("nodes:\n")
	for _, n := range nodes {
		fmt.Fprintf(&text, "  - {name: %s, address: %s, roles: [api, web], environment: production, zone: %s}\n", n.Name, n.Address, n.Zone)
	}
	return write(t, dir, "inventory.yaml", text.String())
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
