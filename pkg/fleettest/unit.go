//go:build unix

package fleettest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// The service managers that a node knows.
const (
	Systemd    = "systemd"
	Supervisor = "supervisor"
	Runit      = "runit"
	PM2        = "pm2"
)

// Unit declares a service of a node. Like a unit file it only says what there is: it does not run until a manager is told to start it.
type Unit struct {
	// Name is what the manager knows it by: api.service for systemd, else a bare name.
	Name string
	// Manager is Systemd (the default), Supervisor, Runit or PM2.
	Manager string
	// Exec is the program and its arguments. A leading ~/ of each becomes the node's home.
	Exec []string
	// Env is added to the node's own environment, as NAME=VALUE.
	Env []string
	// Port is the port that the service is configured with; ServicePort by default. PORT tells it the real one.
	Port int
	// Restart is no (the default), on-failure or always; RestartDelay is the pause before, 100 ms by default. Systemd only.
	Restart      string
	RestartDelay time.Duration
	// StopTimeout is the time from SIGTERM to SIGKILL; 5 s by default.
	StopTimeout time.Duration
	// CanReload says that SIGHUP makes the service read its configuration anew. Systemd only; the others send signals to anything.
	CanReload bool
}

// UnitState is what a test may ask of a unit without any manager's tool.
type UnitState struct {
	Running bool
	// PID is the main process, which leads its own process group; 0 if there is none.
	PID int
	// Starts counts how often the unit was started, by hand or by its manager.
	Starts int
}

// AddUnit declares a service on the node.
func (n *Node) AddUnit(u Unit) error {
	if u.Name == "" || len(u.Exec) == 0 {
		return fmt.Errorf("adding unit %q: it needs a name and a program", u.Name)
	}
	u.Exec = slices.Clone(u.Exec)
	for i, word := range u.Exec {
		if rest, ok := strings.CutPrefix(word, "~/"); ok {
			u.Exec[i] = filepath.Join(n.Home, rest)
		}
	}
	if u.Manager == "" {
		u.Manager = Systemd
	}
	if u.Port == 0 {
		u.Port = ServicePort
	}
	if u.RestartDelay == 0 {
		u.RestartDelay = 100 * time.Millisecond
	}
	if u.StopTimeout == 0 {
		u.StopTimeout = 5 * time.Second
	}
	port, err := n.ports.open(u.Port)
	if err != nil {
		return err
	}
	if err := n.prepareLogs(u); err != nil {
		return fmt.Errorf("adding unit %s: %w", u.Name, err)
	}
	return n.services.add(newService(u, n, port))
}

// Unit tells the state of a unit; the zero UnitState if there is none of this name.
func (n *Node) Unit(name string) UnitState {
	s := n.services.byName(name)
	if s == nil {
		return UnitState{}
	}
	now := s.look()
	return UnitState{Running: now.running(), PID: now.pid, Starts: now.starts}
}

// services are the units of a node.
type services struct {
	mu  sync.Mutex
	all []*service
}

func (s *services) add(one *service) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.all, func(other *service) bool { return other.Name == one.Name }) {
		return fmt.Errorf("adding unit %s: there is one of this name", one.Name)
	}
	s.all = append(s.all, one)
	go one.own()
	return nil
}

func (s *services) byName(name string) *service {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.all, func(one *service) bool { return one.Name == name }); i >= 0 {
		return s.all[i]
	}
	return nil
}

// of returns the units of one manager.
func (s *services) of(manager string) []*service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.all), func(one *service) bool { return one.Manager != manager })
}

// find returns the unit of this name if this manager has it, else nil.
func (s *services) find(manager, name string) *service {
	if one := s.byName(name); one != nil && one.Manager == manager {
		return one
	}
	return nil
}

// close kills what runs and waits for its end.
func (s *services) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		close(one.quit)
	}
	for _, one := range s.all {
		<-one.gone
	}
	s.all = nil
}
