package consul

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/consul/api"
)

// agent is the Consul agent that is asked.
type agent struct {
	client *api.Client
	// address and datacenter name it; datacenter is empty for its own.
	address, datacenter string
	hasToken            bool
	// policy is the smallest ACL policy for what it is asked, instead what people can do who have no Consul: both for hints.
	policy, instead string
}

// newAgent makes a client of what CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN and their kin say. Nothing is asked yet.
func newAgent(datacenter, policy, instead string) (agent, error) {
	options := api.DefaultConfig()
	options.Datacenter = datacenter
	client, err := api.NewClient(options)
	if err != nil {
		return agent{}, fmt.Errorf("setting up the Consul client: %w", err)
	}
	if strings.Contains(options.Address, "@") {
		return agent{}, errors.New("CONSUL_HTTP_ADDR holds a user name: set CONSUL_HTTP_AUTH=USER:PASSWORD instead")
	}
	return agent{client: client, address: options.Address, datacenter: datacenter, hasToken: options.Token != "", policy: policy, instead: instead}, nil
}

// String names the agent that is asked, never the token.
func (a agent) String() string {
	if a.datacenter != "" {
		return fmt.Sprintf("Consul at %s (datacenter %s)", a.address, a.datacenter)
	}
	return "Consul at " + a.address
}
