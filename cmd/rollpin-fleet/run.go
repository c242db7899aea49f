//go:build unix

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/template"

	"github.com/rollpin/rollpin/pkg/fleettest"
)

//go:embed rollpin.yaml.tmpl
var configTemplate string

// webPort is the port that web is configured with; api has fleettest.ServicePort.
const webPort = 8081

type options struct {
	dir               string
	nodes             int
	environment, role string
}

// run starts everything, says so, waits for the end of ctx and cleans up.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	if o.nodes < 1 || o.nodes > 100 {
		return fmt.Errorf("--nodes %d: expected 1 to 100", o.nodes)
	}
	dir, err := claim(o.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, empty(dir)) }()
	servers, err := fleettest.StartServers()
	if err != nil {
		return err
	}
	defer servers.Close()
	fleet, err := startFleet(dir, o)
	if err != nil {
		return err
	}
	defer fleet.Close()
	if err := writeConfig(filepath.Join(dir, "rollpin.yaml"), o, servers); err != nil {
		return err
	}
	describe(out, dir, o, fleet, servers)
	if err := os.WriteFile(filepath.Join(dir, "ready"), nil, 0o644); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// claim makes sure that the directory is there and empty: whatever is in it at the end will be removed.
func claim(dir string) (absolute string, err error) {
	absolute, err = filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(absolute, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(absolute)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("--dir %s: it is not empty; give a new directory", dir)
	}
	return absolute, err
}

// empty removes what is in a directory, and leaves the directory to whom it belongs.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	errs := []error{err}
	for _, entry := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return errors.Join(errs...)
}

func startFleet(dir string, o options) (*fleettest.Fleet, error) {
	var names []string
	for i := range o.nodes {
		names = append(names, fmt.Sprintf("%s-%d", o.role, i+1))
	}
	fleet, err := fleettest.Start(fleettest.Options{Dir: dir, Names: names, Environment: o.environment, Role: o.role, Zones: []string{"a", "b"}})
	if err != nil {
		return nil, err
	}
	for _, node := range fleet.Nodes {
		err := errors.Join(
			node.AddUnit(fleettest.Unit{Name: "api.service", Exec: []string{"~/srv/api/current/bin/acme-api"}, Restart: "on-failure"}),
			node.AddUnit(fleettest.Unit{Name: "web.service", Exec: []string{"~/srv/web/current/node_modules/.bin/acme-web"}, Restart: "on-failure", Port: webPort}))
		if err != nil {
			return nil, errors.Join(err, fleet.Close())
		}
	}
	return fleet, nil
}

func writeConfig(file string, o options, servers *fleettest.Servers) error {
	config, err := os.Create(file)
	if err != nil {
		return err
	}
	text := template.Must(template.New("rollpin.yaml").Option("missingkey=error").Parse(configTemplate))
	err = text.Execute(config, map[string]any{
		"User": fleettest.User, "Role": o.role, "IndexURL": servers.IndexURL, "RegistryURL": servers.RegistryURL,
		"APIPort": fleettest.ServicePort, "WebPort": webPort,
	})
	return errors.Join(err, config.Close())
}

func describe(out io.Writer, dir string, o options, fleet *fleettest.Fleet, servers *fleettest.Servers) {
	for _, node := range fleet.Nodes {
		fmt.Fprintf(out, "node      %s  ssh %s  role %s  environment %s\n", node.Name, node.SSH.Addr(), o.role, o.environment)
	}
	fmt.Fprintf(out, "index     %s  acme-api\n", servers.IndexURL)
	fmt.Fprintf(out, "registry  %s  acme-web\n", servers.RegistryURL)
	fmt.Fprintf(out, "config    %s\n", filepath.Join(dir, "rollpin.yaml"))
	fmt.Fprintf(out, "ready     until SIGINT or SIGTERM; try: rollpin deploy api==1.0.0 -e %s -c %s\n", o.environment, filepath.Join(dir, "rollpin.yaml"))
}
