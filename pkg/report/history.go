package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// clock is how a time is shown: in UTC, as in the ids of deployments.
const clock = "2006-01-02 15:04:05 UTC"

// History is what was done to one service in one environment, the newest first.
type History struct {
	Service     string
	Environment string
	Deployments []journal.Deployment
	// LastGood is the id of the deployment whose release is the last known good one; empty for none.
	LastGood string
	// More is how many are left out.
	More int
}

// Histories groups deployments, which are the newest first, by service. At most limit of each are shown, and the last known good one; 0 shows all.
func Histories(all []journal.Deployment, limit int) []History {
	var histories []History
	for _, group := range fold(all, func(d journal.Deployment) (string, string) { return d.ID, d.Environment + "\n" + d.Service }) {
		h := History{Service: group.first.Service, Environment: group.first.Environment}
		for _, d := range all {
			if d.Service == h.Service && d.Environment == h.Environment {
				h.Deployments = append(h.Deployments, d)
			}
		}
		if good, ok := journal.LastGood(h.Deployments); ok {
			h.LastGood = good.ID
		}
		if limit > 0 {
			h.cut(limit)
		}
		histories = append(histories, h)
	}
	slices.SortFunc(histories, func(a, b History) int { return cmp.Compare(a.Service, b.Service) })
	return histories
}

func (h *History) cut(limit int) {
	at := 0
	h.Deployments = slices.DeleteFunc(h.Deployments, func(d journal.Deployment) bool {
		at++
		return at > limit && d.ID != h.LastGood
	})
	h.More = at - len(h.Deployments)
}

// Record is one deployment in the history, as JSON shows it.
type Record struct {
	Deployment  string `json:"deployment"`
	Service     string `json:"service"`
	Environment string `json:"environment"`
	Command     string `json:"command"`
	Version     string `json:"version,omitempty"`
	Release     string `json:"release,omitempty"`
	// Status is empty for a deployment that did not come to its end, or not yet.
	Status      rollout.Status `json:"status,omitempty"`
	Interrupted string         `json:"interrupted,omitempty"`
	Reason      string         `json:"reason,omitempty"`
	// Began and Updated are the times of the first and the last event; Took is that of the latest run, in nanoseconds.
	Began   time.Time     `json:"began"`
	Updated time.Time     `json:"updated"`
	Took    time.Duration `json:"took"`
	Runs    int           `json:"runs"`
	By      *lock.Holder  `json:"by,omitempty"`
	Nodes   int           `json:"nodes"`
	Failed  []string      `json:"failed,omitempty"`
	// LastKnownGood marks the deployment of the release that a rollback goes to by default.
	LastKnownGood bool `json:"last_known_good,omitempty"`
}

// WriteHistoryJSON writes one JSON document.
func WriteHistoryJSON(w io.Writer, histories []History) error {
	records := []Record{}
	for _, h := range histories {
		for _, d := range h.Deployments {
			records = append(records, Record{
				Deployment: d.ID, Service: d.Service, Environment: d.Environment, Command: d.Asked.Command, Version: versionOf(d), Release: d.Release.ID,
				Status: d.Status, Interrupted: d.Interrupted, Reason: d.Reason, Began: d.Began, Updated: d.Updated, Took: d.Took(), Runs: len(d.Runs),
				By: holder(d), Nodes: len(d.Nodes), Failed: d.Spent(), LastKnownGood: d.ID == h.LastGood,
			})
		}
	}
	return indented(w, map[string]any{"deployments": records})
}

func indented(w io.Writer, document any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}

// WriteHistory writes what was done, and when, by whom and how it ended, service by service.
func WriteHistory(w io.Writer, histories []History, color bool) error {
	b := block{style: newStyle(color)}
	for i, h := range histories {
		if i > 0 {
			b.add("")
		}
		b.add("%s", b.bold(Clean(h.Service+" on "+h.Environment)))
		for _, d := range h.Deployments {
			h.write(&b, d)
		}
		if h.More > 0 {
			b.add("  %s", b.dim(fmt.Sprintf("%d more: --limit 0 lists all", h.More)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (h History) write(b *block, d journal.Deployment) {
	what := Clean(cmp.Or(d.Asked.Command, "deployment") + " " + versionOf(d))
	b.add("  %s  %-20s  %s%s", d.ID, what, ended(d, b.style), b.dim(" ("+seconds(d.Took())+")"))
	b.add("    %s", b.dim(d.Began.UTC().Format(clock)+who(holder(d))))
	if d.ID == h.LastGood {
		b.add("    %s", b.good("last known good: "+Clean(d.Release.ID)))
	}
}

func versionOf(d journal.Deployment) string { return cmp.Or(d.Release.Version, d.Asked.Version) }

// holder is who made the latest run; nil where that is not known.
func holder(d journal.Deployment) *lock.Holder {
	if len(d.Runs) == 0 {
		return nil
	}
	return d.Runs[len(d.Runs)-1].By
}

// who names a person and a CI job, and why: ", ann on build-1, https://ci/42: the hotfix".
func who(h *lock.Holder) string {
	if h == nil {
		return ""
	}
	text := fmt.Sprintf(", %s on %s", h.User, h.Host)
	if h.CI != "" {
		text += ", " + h.CI
	}
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	return Clean(text)
}

// ended says in a few words how a deployment ended.
func ended(d journal.Deployment, st style) string {
	text := verdict(d, st)
	if failed := len(d.Spent()); failed > 0 {
		text += fmt.Sprintf(", %d of %d failed", failed, len(d.Nodes))
	}
	if d.Interrupted != "" {
		text += ", " + st.warn("interrupted")
	}
	if len(d.Runs) > 1 {
		text += fmt.Sprintf(", run %d", len(d.Runs))
	}
	return text
}

func verdict(d journal.Deployment, st style) string {
	switch d.Status {
	case rollout.Succeeded:
		return st.good("done")
	case rollout.Unchanged:
		return st.good("nothing to do")
	case rollout.AllStaged:
		return st.good("staged")
	case rollout.DryRun:
		return "dry run"
	case rollout.Untouched:
		if d.Why == rollout.Declined {
			return "not confirmed"
		}
		return st.bad("not started")
	case rollout.Restored:
		return st.bad("failed, all back")
	case rollout.Mixed:
		return st.bad("mixed")
	}
	return st.warn("unfinished")
}
