package rollout

import "time"

// NodeStatus is what one node really runs.
type NodeStatus struct {
	Node string `json:"node"`
	Zone string `json:"zone,omitempty"`
	// Release is what current names; Version is part of it.
	Release string `json:"release,omitempty"`
	Version string `json:"version,omitempty"`
	// Confirmed: the release was seen healthy since it became current.
	Confirmed bool `json:"confirmed"`
	// Service is running, stopped, failed or unknown.
	Service string `json:"service,omitempty"`
	// Started is when its main process started; zero where that cannot be told.
	Started time.Time `json:"started,omitzero"`
	// Healthy is empty where there is nothing to ask, else healthy or unhealthy.
	Healthy string `json:"healthy,omitempty"`
	// Kept are the other releases on the node.
	Kept []string `json:"kept,omitempty"`
	// Faults are what does not fit together.
	Faults []string `json:"faults,omitempty"`
	// Problems would stop a deployment to the node; what runs there may be well all the same.
	Problems []Problem `json:"problems,omitempty"`
	// Error is why the node could not be asked, Hint what to do about it.
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
}
