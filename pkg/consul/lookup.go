package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rollpin/rollpin/pkg/inventory"
)

const (
	// patience is how long one request may take. Without a leader, an agent itself gives up after about 8 s.
	patience = 10 * time.Second
	// stalePatience is how long the request may take that does without a leader.
	stalePatience = 5 * time.Second
)

// lookup is one call of Nodes.
type lookup struct {
	*Source
	ctx   context.Context
	query inventory.Query
	// stale says that Consul has no leader, so that its servers are asked for what they know themselves.
	stale bool
	// anonymous says that ACLs are on and no token is set; filtered, that they hid nodes or services.
	anonymous, filtered bool
}

// entry is a node of the catalog, with what its services add.
type entry struct {
	name, address string
	// meta is the node's metadata, serviceMeta that of its matching services.
	meta, serviceMeta map[string]string
	// roles are its matching services.
	roles []string
}

// match returns the catalog's entries for the query.
func (l *lookup) match() ([]entry, error) {
	switch l.settings.Match {
	case "service":
		return l.matchService()
	case "filter":
		return l.matchFilter()
	default:
		return l.matchNode()
	}
}

// matchNode lets Consul select the environment, by the node-meta parameter, which every version has and which takes any key without
// quoting. The role is selected here: it may be one of a list, and a filter's "contains" would find api in api-gateway.
func (l *lookup) matchNode() ([]entry, error) {
	var options api.QueryOptions
	if l.query.Environment != "" {
		options.NodeMeta = map[string]string{l.settings.Keys.Environment: l.query.Environment}
	}
	entries, err := l.catalog(options)
	return slices.DeleteFunc(entries, func(e entry) bool { return !l.query.Matches(l.facts(e)) }), err
}

func (l *lookup) matchFilter() ([]entry, error) {
	filter, err := expand(l.settings.Filter, l.query)
	if err != nil {
		return nil, err
	}
	return l.catalog(api.QueryOptions{Filter: filter})
}

// matchService returns the nodes that have a service of the role's name with the environment as a tag; of all services with that tag, if
// no role is asked for. A node with several instances is one node.
func (l *lookup) matchService() ([]entry, error) {
	tag := cmp.Or(l.settings.Tag, l.query.Environment)
	names := []string{cmp.Or(l.settings.Service, l.query.Role)}
	if names[0] == "" {
		tags, err := l.services()
		if err != nil {
			return nil, err
		}
		names = names[:0]
		for name := range tags {
			if tag == "" || slices.Contains(tags[name], tag) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
	}
	var entries []entry
	index := map[string]int{}
	for _, name := range names {
		instances, err := read(l, "reading service "+name, func(o *api.QueryOptions) ([]*api.CatalogService, *api.QueryMeta, error) {
			return l.client.Catalog().Service(name, tag, o)
		}, api.QueryOptions{})
		if err != nil {
			return nil, err
		}
		for _, instance := range instances {
			// A name with dots and slashes might have led to another endpoint. Consul ignores the case of names.
			if !strings.EqualFold(instance.ServiceName, name) {
				continue
			}
			at, seen := index[instance.Node]
			if !seen {
				at = len(entries)
				index[instance.Node] = at
				entries = append(entries, entry{name: instance.Node, address: instance.Address, meta: instance.NodeMeta})
			}
			entries[at].add(instance, cmp.Or(l.query.Role, name))
		}
	}
	return entries, nil
}

// add joins an instance of a service to its node. The service's own address is left out: it may be a container's, a proxy's or a virtual
// one, where no sshd listens. SSH goes to the node.
func (e *entry) add(instance *api.CatalogService, role string) {
	if !slices.Contains(e.roles, role) {
		e.roles = append(e.roles, role)
	}
	for key, value := range instance.ServiceMeta {
		if e.serviceMeta == nil {
			e.serviceMeta = map[string]string{}
		}
		e.serviceMeta[key] = value
	}
}

// catalog returns nodes. Their Address is what the agent advertises within its datacenter; where another datacenter is asked for, Consul
// itself puts the WAN address there if its translate_wan_addrs is on.
func (l *lookup) catalog(options api.QueryOptions) ([]entry, error) {
	nodes, err := read(l, "reading the catalog", l.client.Catalog().Nodes, options)
	entries := make([]entry, len(nodes))
	for i, n := range nodes {
		entries[i] = entry{name: n.Node, address: n.Address, meta: n.Meta}
	}
	return entries, err
}

// services returns the tags of every service.
func (l *lookup) services() (map[string][]string, error) {
	return read(l, "listing the services", l.client.Catalog().Services, api.QueryOptions{})
}

// health marks the dead nodes, and notes maintenance, which is no reason to leave a node out: it is often set for a deployment.
func (l *lookup) health(nodes []inventory.Node) error {
	// Checks of services that the token may not read are hidden too, which says nothing about nodes: their own checks go with them.
	defer func(before bool) { l.filtered = before }(l.filtered)
	checks, err := read(l, "reading the critical checks", func(o *api.QueryOptions) (api.HealthChecks, *api.QueryMeta, error) {
		return l.client.Health().State(api.HealthCritical, o)
	}, api.QueryOptions{Filter: fmt.Sprintf("CheckID == %q or CheckID == %q", serfHealth, api.NodeMaint)})
	if err != nil {
		return err
	}
	dead, maintenance := map[string]string{}, map[string]string{}
	for _, check := range checks {
		switch check.CheckID {
		case serfHealth:
			dead[check.Node] = "serfHealth is critical: " + cmp.Or(oneLine(check.Output), "no output")
		case api.NodeMaint:
			maintenance[check.Node] = cmp.Or(oneLine(check.Notes), "on")
		}
	}
	for i := range nodes {
		nodes[i].Dead = dead[nodes[i].Name]
		if reason := maintenance[nodes[i].Name]; reason != "" {
			nodes[i].Meta[metaMaintenance] = reason
		}
	}
	return nil
}

const (
	// serfHealth is the check by which the servers tell whether the gossip still reaches an agent.
	serfHealth = "serfHealth"
	// metaMaintenance is where the reason of a maintenance is noted. Consul keeps keys that start with consul- for itself.
	metaMaintenance = "consul-maintenance"
)

// read asks with a deadline. Without a leader it asks once more for what the servers know by themselves: nodes seldom move, and
// a rollback must not have to wait for an election.
func read[T any](l *lookup, doing string, ask func(*api.QueryOptions) (T, *api.QueryMeta, error), options api.QueryOptions) (T, error) {
	try := func(stale bool, limit time.Duration) (T, *api.QueryMeta, error) {
		ctx, cancel := context.WithTimeout(l.ctx, limit)
		defer cancel()
		options.AllowStale = stale
		return ask(options.WithContext(ctx))
	}
	answer, meta, err := try(l.stale, patience)
	if err != nil && !l.stale && leaderless(err) && l.ctx.Err() == nil {
		var again error
		if answer, meta, again = try(true, stalePatience); again == nil {
			l.stale, err = true, nil
			l.warn(fmt.Sprintf("Consul has no leader: the nodes are as one of its servers knew them %s ago", meta.LastContact.Round(time.Second)))
		}
	}
	if err != nil {
		var none T
		return none, l.refused(doing, err)
	}
	l.filtered = l.filtered || meta.ResultsFilteredByACLs
	l.anonymous = l.anonymous || meta.DefaultACLPolicy == "deny" && !l.hasToken
	return answer, nil
}

// refused explains the error of a request. What a filter may say, only Consul knows.
func (l *lookup) refused(doing string, err error) error {
	var status api.StatusError
	if l.settings.Match == "filter" && errors.As(err, &status) && strings.Contains(status.Body, "boolean expression") {
		return &Error{text: fmt.Sprintf("%s: %s: the filter is refused: %s", l.Source, doing, excerpt(status.Body)),
			hint: "correct discovery.consul.filter: " + l.settings.Filter, err: err}
	}
	return l.failed(l.ctx, doing, err, patience)
}
