// Package consul reads nodes from Consul's catalog, and keeps locks and the records of deployments in its key-value store.
package consul

import (
	"cmp"
	"context"
	"fmt"

	"github.com/rollpin/rollpin/pkg/config"
	"github.com/rollpin/rollpin/pkg/inventory"
)

// Source is Consul as a source of nodes. It reads the catalog, not only passing nodes: a deployment that left out the sick nodes would call
// a mixed fleet a success. A node whose serfHealth is critical is listed as dead; one without that check, such as an external
// node, is alive.
type Source struct {
	// Warn, if set, is told what people should know about an answer that is used all the same, such as a stale one.
	Warn func(text string)

	agent
	settings config.Consul
}

// New returns the source that settings describe. Address, token, TLS, namespace and partition come from CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN
// and their kin, as for Consul's own command line. Nothing is asked yet.
func New(settings config.Consul) (*Source, error) {
	settings.Match = cmp.Or(settings.Match, "node")
	settings.Keys = config.Keys{
		Role:        cmp.Or(settings.Keys.Role, "role"),
		Environment: cmp.Or(settings.Keys.Environment, "environment"),
		Zone:        cmp.Or(settings.Keys.Zone, "zone"),
		SSHPort:     cmp.Or(settings.Keys.SSHPort, "ssh_port"),
		SSHUser:     cmp.Or(settings.Keys.SSHUser, "ssh_user"),
	}
	if err := check(settings); err != nil {
		return nil, err
	}
	asked, err := newAgent(settings.Datacenter, policy(settings.Match), "name an inventory file: --inventory FILE")
	if err != nil {
		return nil, err
	}
	return &Source{agent: asked, settings: settings}, nil
}

func check(settings config.Consul) error {
	switch settings.Match {
	case "node", "service":
		return nil
	case "filter":
		return checkFilter(settings.Filter)
	}
	return fmt.Errorf("discovery.consul.match: %q is none of node, service, filter", settings.Match)
}

// Nodes returns the nodes that match q, by two requests: the catalog's entries and the critical checks. Where none matches, a third one
// asks for all that Consul has, for near matches.
func (s *Source) Nodes(ctx context.Context, q inventory.Query) ([]inventory.Node, error) {
	l := &lookup{Source: s, ctx: ctx, query: q}
	entries, err := l.match()
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, l.none()
	}
	nodes, err := l.nodes(entries)
	if err != nil {
		return nil, err
	}
	if err := l.health(nodes); err != nil {
		return nil, err
	}
	if l.filtered {
		l.warn("Consul hides some nodes or services from this token: there may be more nodes than are listed")
	}
	inventory.Sort(nodes)
	return nodes, nil
}

func (s *Source) warn(text string) {
	if s.Warn != nil {
		s.Warn(text)
	}
}
