// Package lock keeps two deployments of one service in one environment apart, and says who holds the lock to whoever waits.
package lock

import (
	"fmt"
	"strings"
	"time"
)

// Holder is who runs a deployment: what the lock, the guard on a node and the journal say of it.
type Holder struct {
	// Deployment is its id.
	Deployment string `json:"deployment"`
	// Command is the word after rollpin: deploy, rollback, …
	Command string `json:"command"`
	User    string `json:"user"`
	Host    string `json:"host"`
	PID     int    `json:"pid,omitempty"`
	// Since is when it began, by the clock of Host.
	Since time.Time `json:"since"`
	// CI is the address of the CI job; empty outside of CI.
	CI string `json:"ci,omitempty"`
	// Reason is what --reason said.
	Reason string `json:"reason,omitempty"`
}

// String names the holder in one line, without the time: "deploy 20261121T101500-ABCD by ann on build-1 (https://ci/42): the hotfix".
func (h Holder) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s by %s on %s", h.Command, h.Deployment, h.User, h.Host)
	if h.CI != "" {
		fmt.Fprintf(&out, " (%s)", h.CI)
	}
	if h.Reason != "" {
		fmt.Fprintf(&out, ": %s", h.Reason)
	}
	return out.String()
}
