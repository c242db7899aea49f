package restart

import (
	"strconv"
	"time"

	"github.com/rollpin/rollpin/pkg/shell"
)

// State is what a service manager says of a service.
type State struct {
	// Name is running, stopped, failed or unknown. A service that its manager keeps starting again is failed.
	Name string
	// PID is the main process; 0 where there is none or it cannot be told. Of several processes it is the oldest.
	PID int
	// Started is when that process started, to within a second; zero where it cannot be told. A reload does not move it.
	Started time.Time
}

// ParseState reads the answer of Probe. Anything that is missing or makes no sense is left zero, and the name is unknown then.
func ParseState(facts shell.Facts) State {
	state := State{Name: "unknown"}
	switch name := facts.Get("state"); name {
	case "running", "stopped", "failed":
		state.Name = name
	}
	if pid, err := strconv.Atoi(facts.Get("pid")); err == nil && pid > 0 {
		state.PID = pid
	}
	if seconds, err := strconv.ParseInt(facts.Get("started"), 10, 64); err == nil && seconds > 0 {
		state.Started = time.Unix(seconds, 0)
	}
	return state
}
