//go:build unix

package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
)

func TestFleetIsReadyToUseAndLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fleet")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := new(strings.Builder)
	done := make(chan error, 1)
	go func() {
		command := newCommand()
		command.SetArgs([]string{"--dir", dir, "--nodes", "3", "--env", "staging", "--role", "shop"})
		command.SetOut(out)
		done <- command.ExecuteContext(ctx)
	}()
	for !exists(filepath.Join(dir, "ready")) {
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}

	for _, service := range []string{"api", "web"} {
		target, err := resolve(dir, service)
		if err != nil {
			t.Fatal(err)
		}
		if target.Discovery.File != filepath.Join(dir, "inventory.json") || target.SSH.IdentityFiles[0] != filepath.Join(dir, "key") ||
			target.Service.Role != "shop" || target.Strategy.Canary.N != 1 || len(target.Service.Health.Checks) != 1 {
			t.Errorf("the configuration of %s says %+v", service, target)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "inventory.json"))
	if err != nil {
		t.Fatal(err)
	}
	var inventory struct {
		Nodes []struct{ Name, Environment string }
	}
	if err := json.Unmarshal(text, &inventory); err != nil || len(inventory.Nodes) != 3 || inventory.Nodes[2].Name != "shop-3" || inventory.Nodes[2].Environment != "staging" {
		t.Errorf("the inventory says %+v (%v)", inventory, err)
	}

	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "node      shop-1  ssh 127.0.0.1:") || !strings.Contains(out.String(), "deploy api==1.0.0 -e staging") {
		t.Errorf("it says:\n%s", out)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func resolve(dir, service string) (config.Target, error) {
	file, err := config.Load(filepath.Join(dir, "rollpin.yaml"))
	if err != nil {
		return config.Target{}, err
	}
	return file.Resolve(config.Request{Service: service, Environment: "staging"})
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func TestRefusals(t *testing.T) {
	full := t.TempDir()
	precious := filepath.Join(full, "precious")
	if err := os.WriteFile(precious, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"it is not empty":           {"--dir", full},
		"expected 1 to 100":         {"--dir", t.TempDir(), "--nodes", "0"},
		`required flag(s) "dir"`:    {},
		"unknown command \"extra\"": {"--dir", full, "extra"},
	} {
		command := newCommand()
		command.SetArgs(args)
		command.SetOut(io.Discard)
		if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	if !exists(precious) {
		t.Error("a file of somebody else was removed")
	}
}

func TestItEndsWithItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var parent atomic.Int64
		parent.Store(42)
		ctx := untilOrphaned(t.Context(), func() int { return int(parent.Load()) }, time.Second)
		time.Sleep(time.Minute)
		if ctx.Err() != nil {
			t.Fatal("it ended too early")
		}
		parent.Store(1)
		time.Sleep(2 * time.Second)
		if ctx.Err() == nil {
			t.Error("it outlives its parent")
		}
	})
}
