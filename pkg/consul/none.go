package consul

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/rollpin/rollpin/pkg/inventory"
)

// none explains why nothing matched, by what Consul has instead.
func (l *lookup) none() error {
	known, err := l.known()
	if err != nil {
		return err
	}
	query := l.query
	if l.settings.Match == "service" {
		query = inventory.Query{Environment: cmp.Or(l.settings.Tag, query.Environment), Role: cmp.Or(l.settings.Service, query.Role)}
	}
	e := inventory.None(l.String(), known, query)
	if len(known) > 0 {
		l.inOwnWords(e)
	}
	l.suspectACLs(e)
	return e
}

// inOwnWords replaces what None says where Consul's words tell more than environment and role.
func (l *lookup) inOwnWords(e *inventory.NoNodesError) {
	keys := l.settings.Keys
	switch {
	case l.settings.Match == "filter":
		filter, _ := expand(l.settings.Filter, l.query)
		e.Reason = fmt.Sprintf("the filter %s fits none of the %d nodes in %s", filter, e.Total, l.Source)
		e.Fix = "consul catalog nodes -detailed -filter '" + strings.ReplaceAll(filter, "'", `'\''`) + "'"
	case l.settings.Match == "service" && len(e.Environments) == 0:
		e.Reason = fmt.Sprintf("%s has %d services, but none has a tag", l.Source, e.Total)
		e.Fix = "consul catalog services -tags"
	case l.settings.Service != "" || l.settings.Tag != "":
		e.Fix = "consul catalog services -tags"
	case l.settings.Match == "node" && len(e.Environments) == 0:
		e.Reason = fmt.Sprintf("%s has %d nodes, but none has the metadata %q", l.Source, e.Total, keys.Environment)
		e.Fix = fmt.Sprintf(`put node_meta { %s = "…" %s = "…" } into the agents' configuration, or see discovery.consul.match and .keys`,
			keys.Environment, keys.Role)
	}
}

// suspectACLs adds to the hint what a missing or a weak token may have hidden: Consul answers a request without a token as if there were
// nothing. A catalog is never empty, it has the servers at least.
func (l *lookup) suspectACLs(e *inventory.NoNodesError) {
	switch {
	case e.Total == 0:
		e.Fix = l.tokenHint()
	case l.anonymous || l.filtered:
		e.Fix = e.Hint() + "; or Consul's ACLs hide nodes: " + l.tokenHint()
	}
}

// known returns all that Consul has, as far as it tells about near matches: the nodes, or one for each service and tag.
func (l *lookup) known() ([]inventory.Node, error) {
	var nodes []inventory.Node
	if l.settings.Match != "service" {
		entries, err := l.catalog(api.QueryOptions{})
		for _, e := range entries {
			nodes = append(nodes, l.facts(e))
		}
		return nodes, err
	}
	tags, err := l.services()
	for service := range tags {
		if len(tags[service]) == 0 {
			nodes = append(nodes, inventory.Node{Roles: []string{service}})
		}
		for _, tag := range tags[service] {
			nodes = append(nodes, inventory.Node{Roles: []string{service}, Environment: tag})
		}
	}
	return nodes, err
}
