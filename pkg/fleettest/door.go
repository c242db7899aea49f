//go:build unix

package fleettest

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/rollpin/rollpin/pkg/shell"
)

//go:embed stub/call.sh
var callStub string

//go:embed stub/sudo.sh
var sudoStub string

// call is one run of a service manager's tool on a node.
type call struct {
	ctx      context.Context
	args     []string
	out, err strings.Builder
}

func (c *call) printf(format string, args ...any) { fmt.Fprintf(&c.out, format, args...) }
func (c *call) errorf(format string, args ...any) { fmt.Fprintf(&c.err, format, args...) }

// tool returns what answers for a tool; nil if there is none of this name.
func (n *Node) tool(name string) func(*call) (status int) {
	switch name {
	case "systemctl":
		return n.systemctl
	case "journalctl":
		return n.journalctl
	case "supervisorctl":
		return n.supervisorctl
	case "sv":
		return n.sv
	case "pm2":
		return n.pm2
	}
	return nil
}

// door is where the tools in Home/bin, which are small shell scripts, hand their calls to the node: a named pipe.
type door struct {
	node    *Node
	pipe    *os.File
	cancel  context.CancelFunc
	serving sync.WaitGroup
}

func openDoor(n *Node) (*door, error) {
	if err := n.installTools(); err != nil {
		return nil, err
	}
	name := filepath.Join(n.run, "door")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		return nil, fmt.Errorf("making %s: %w", name, err)
	}
	pipe, err := os.OpenFile(name, os.O_RDWR, 0) // for writing too, so that it does not end when the first caller leaves
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &door{node: n, pipe: pipe, cancel: cancel}
	d.serving.Go(func() { d.serve(ctx) })
	return d, nil
}

func (n *Node) installTools() error {
	if err := os.MkdirAll(filepath.Join(n.run, "calls"), 0o755); err != nil {
		return err
	}
	vars := []shell.Var{{Name: "run", Value: n.run}, {Name: "machine", Value: os.Getenv("PATH")}}
	stubs := map[string]string{"sudo": sudoStub}
	for _, name := range []string{"systemctl", "journalctl", "supervisorctl", "sv", "pm2"} {
		stubs[name] = callStub
	}
	for name, body := range stubs {
		text, err := shell.Script{Name: name, Vars: vars, Body: body}.Text()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(n.Home, "bin", name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (d *door) close() error {
	d.cancel()
	err := d.pipe.Close()
	d.serving.Wait()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

func (d *door) serve(ctx context.Context) {
	callers := bufio.NewScanner(d.pipe)
	for callers.Scan() {
		dir := filepath.Join(d.node.run, "calls", filepath.Base(callers.Text()))
		d.serving.Go(func() {
			if err := d.answer(ctx, dir); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENXIO) {
				fmt.Fprintf(os.Stderr, "fleettest: %v\n", err) // the caller was not killed: this is a fault of ours
			}
		})
	}
}

// answer runs one call and tells the waiting stub.
func (d *door) answer(ctx context.Context, dir string) error {
	request, err := os.ReadFile(filepath.Join(dir, "request"))
	if err != nil {
		return err
	}
	words := strings.Split(strings.TrimSuffix(string(request), "\x00"), "\x00")
	c := &call{ctx: ctx, args: words[1:]}
	status := 127
	if run := d.node.tool(words[0]); run != nil {
		status = run(c)
	}
	if err := os.WriteFile(filepath.Join(dir, "out"), []byte(c.out.String()), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "err"), []byte(c.err.String()), 0o600); err != nil {
		return err
	}
	end, err := os.OpenFile(filepath.Join(dir, "done"), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer end.Close()
	_, err = fmt.Fprintln(end, status)
	return err
}
