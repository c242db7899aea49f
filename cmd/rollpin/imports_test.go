package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rollpin/rollpin/"

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) map[string]goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := map[string]goPackage{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

// Each of these belongs to the packages named: everybody else goes through them.
func TestOneOwnerForEachDependency(t *testing.T) {
	owners := map[string][]string{
		"github.com/hashicorp/consul":      {"pkg/consul"},
		"golang.org/x/crypto":              {"pkg/remote", "pkg/fleettest"},
		"github.com/skeema/knownhosts":     {"pkg/remote"},
		"github.com/kevinburke/ssh_config": {"pkg/remote"},
		"github.com/pkg/sftp":              {"pkg/remote", "pkg/fleettest"},
		"github.com/fatih/color":           {"pkg/report"},
		"github.com/spf13/":                {"cmd/rollpin", "cmd/rollpin-fleet"},
		"go.yaml.in/yaml":                  {"pkg/config", "pkg/inventory"},
		"github.com/Masterminds/semver":    {"pkg/pkgmgr", "pkg/fleettest"},
		module + "pkg/fleettest":           {"cmd/rollpin-fleet"},
		"os/exec":                          {"pkg/inventory", "pkg/fleettest", "pkg/fleettest/lab", "pkg/remote"},
	}
	for name, p := range packages(t) {
		for _, imported := range p.Imports {
			for prefix, allowed := range owners {
				if strings.HasPrefix(imported, prefix) && !slices.Contains(allowed, name) {
					t.Errorf("%s imports %s, which belongs to %s", name, imported, strings.Join(allowed, " and "))
				}
			}
		}
	}
}

// Data flows from left to right; nothing imports what stands at its right.
func TestDataFlowsOneWay(t *testing.T) {
	flow := [][]string{
		{"pkg/nearest", "pkg/shell", "pkg/lock"},
		{"pkg/config"},
		{"pkg/inventory"},
		{"pkg/plan", "pkg/consul", "pkg/pkgmgr", "pkg/release", "pkg/restart", "pkg/health", "pkg/remote"},
		{"pkg/rollout", "pkg/bundle", "pkg/artifact"},
		{"pkg/fleet", "pkg/journal"},
		{"pkg/report"},
		{"cmd/rollpin"},
	}
	column := map[string]int{}
	for i, names := range flow {
		for _, name := range names {
			column[name] = i
		}
	}
	for name, p := range packages(t) {
		for _, imported := range p.Imports {
			own, isOurs := strings.CutPrefix(imported, module)
			if at, known := column[name]; known && isOurs && column[own] >= at {
				t.Errorf("%s imports %s, which is not at its left", name, own)
			}
		}
	}
}

func TestNever(t *testing.T) {
	never := map[string][]string{
		"pkg/plan":      {"net", "net/http", "os", "os/exec", "io/fs"},
		"pkg/inventory": {"net", "net/http", "golang.org/x/net"},
		"pkg/pkgmgr":    {"net", "net/http", "os", "os/exec"},
		"pkg/release":   {"net", "net/http", "os", "os/exec"},
		"pkg/restart":   {"net", "net/http", "os", "os/exec"},
		"pkg/rollout":   {"net", "net/http", "os", "os/exec", module + "pkg/remote", module + "pkg/consul", module + "pkg/report"},
		"pkg/remote":    {module + "pkg/pkgmgr"},
		"pkg/report":    {module + "pkg/remote", "net", "net/http"},
	}
	all := packages(t)
	for name, forbidden := range never {
		for _, imported := range all[name].Imports {
			if slices.Contains(forbidden, imported) {
				t.Errorf("%s imports %s", name, imported)
			}
		}
	}
	if slices.Contains(all["cmd/rollpin"].Deps, module+"pkg/fleettest") {
		t.Error("the binary carries test support")
	}
	for _, dependency := range all["pkg/rollout"].Deps {
		if strings.HasPrefix(dependency, "golang.org/x/crypto") {
			t.Errorf("pkg/rollout depends on %s", dependency)
		}
	}
}
