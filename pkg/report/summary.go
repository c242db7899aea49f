package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// logShown is how much of a failed node's log the last block shows.
const logShown = 12

// Summary is the last block of a deployment: how it ended, which version runs where, what failed with the end of its log, and what to
// type next.
type Summary struct {
	Service, Environment string
	// Deployment is its id; empty where it cannot be gone on with. Resumed: that was done just now.
	Deployment string
	Resumed    bool
	Outcome    rollout.Outcome
	// Flags are what the user must repeat for the next command to mean the same, " --config FILE"; BackFlags those for a rollback.
	Flags, BackFlags string
	// StageOnly: no more than staging was asked for.
	StageOnly bool
	Color     bool
}

// Write writes the block to w.
func (s Summary) Write(w io.Writer) error {
	b := block{style: newStyle(s.Color)}
	b.add("%s", s.headline(b.style))
	s.versions(&b)
	s.problems(&b)
	s.failures(&b)
	s.next(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

type block struct {
	strings.Builder
	style
}

func (b *block) add(format string, a ...any) { fmt.Fprintf(b, format+"\n", a...) }

// log shows the end of what a node printed.
func (b *block) log(lines []string) {
	for _, line := range lines[max(0, len(lines)-logShown):] {
		b.add("  %s", b.dim("| "+Clean(line)))
	}
}

func (s Summary) headline(st style) string {
	o := s.Outcome
	what := s.Service
	switch {
	case o.Rollback && o.Release.Version != "":
		what = "rollback of " + what + " to " + o.Release.Version
	case o.Rollback:
		what = "rollback of " + what
	case o.Release.Version != "":
		what += " " + o.Release.Version
	}
	what += " on " + s.Environment
	text := st.bold(what) + ": " + s.verdict(st)
	if o.Interrupted != "" {
		text += ", " + st.warn(Clean(o.Interrupted))
	}
	return text + st.dim(" ("+seconds(o.Took)+")")
}

func (s Summary) verdict(st style) string {
	touched := 0
	for _, n := range s.Outcome.Nodes {
		if n.Touched {
			touched++
		}
	}
	switch s.Outcome.Status {
	case rollout.Succeeded:
		return st.good("done")
	case rollout.Unchanged:
		return st.good("nothing to do, every node runs it")
	case rollout.AllStaged:
		return st.good("staged") + fmt.Sprintf(" on %s, no running service was touched", count(s.staged()))
	case rollout.DryRun:
		return "dry run, nothing was changed"
	case rollout.Untouched:
		if s.Outcome.Why == rollout.Declined {
			return "not confirmed, no running service was touched"
		}
		return st.bad("not started") + ", no running service was touched"
	case rollout.Restored:
		return st.bad("failed") + fmt.Sprintf(", %s touched, all back on what they ran before", count(touched))
	}
	if len(s.groups()) == 1 {
		return st.bad("failed") + ", and not every node could go back"
	}
	return st.bad("the fleet is mixed")
}

func (s Summary) staged() int {
	staged := 0
	for _, n := range s.Outcome.Nodes {
		if n.Staged != nil {
			staged++
		}
	}
	return staged
}

// versions lists which release runs where.
func (s Summary) versions(b *block) {
	groups := s.groups()
	if s.Outcome.Status == rollout.Untouched && len(groups) == 1 && groups[unknown] != nil {
		return
	}
	for _, group := range bySize(groups) {
		b.add("  %-22s %3d of %d  %s", group, len(groups[group]), len(s.Outcome.Nodes), b.dim(some(groups[group])))
	}
}

func (s Summary) groups() map[string][]string {
	groups := map[string][]string{}
	for _, n := range s.Outcome.Nodes {
		groups[runs(n)] = append(groups[runs(n)], n.Node)
	}
	return groups
}

const (
	unknown = "unknown"
	nothing = "no release"
)

func runs(n rollout.NodeOutcome) string {
	switch {
	case !n.Known:
		return unknown
	case n.Runs == "":
		return nothing
	}
	return n.Runs
}

func bySize(groups map[string][]string) []string {
	return slices.SortedFunc(maps.Keys(groups), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(groups[b]), len(groups[a])), cmp.Compare(a, b))
	})
}

// problems lists what ended the deployment before any node was touched.
func (s Summary) problems(b *block) {
	for _, group := range fold(s.Outcome.Problems, func(p rollout.NodeProblem) (string, string) { return p.Node, p.Text }) {
		b.add("%s %s: %s", b.bad("problem"), some(group.nodes), Clean(group.first.Text))
		if group.first.Hint != "" {
			b.add("  %s %s", b.dim("hint:"), Clean(group.first.Hint))
		}
	}
}

// failures lists the nodes that failed, nodes with one and the same failure together, and those that could not be put back.
func (s Summary) failures(b *block) {
	var failed, stuck, skipped []rollout.NodeOutcome
	for _, n := range s.Outcome.Nodes {
		if n.Skipped != "" {
			skipped = append(skipped, n)
		}
		if n.Failure != nil && len(s.Outcome.Problems) == 0 { // else the problems say it already
			failed = append(failed, n)
		}
		if n.Undo != nil {
			stuck = append(stuck, n)
		}
	}
	for _, group := range fold(skipped, func(n rollout.NodeOutcome) (string, string) { return n.Node, n.Skipped }) {
		b.add("%s %s: %s", b.warn("left out"), some(group.nodes), Clean(group.first.Skipped))
	}
	for _, group := range fold(failed, func(n rollout.NodeOutcome) (string, string) { return n.Node, key(n.Failure) + fate(n) }) {
		b.failure(string(group.first.Failure.Class), group.nodes, group.first.Failure)
		if text := fate(group.first); text != "" {
			b.add("  %s", text)
		}
	}
	for _, group := range fold(stuck, func(n rollout.NodeOutcome) (string, string) { return n.Node, key(n.Undo) }) {
		b.failure("not put back", group.nodes, group.first.Undo)
	}
}

func key(f *rollout.Failure) string { return string(f.Class) + string(f.Step) + f.Text }

func (b *block) failure(what string, nodes []string, f *rollout.Failure) {
	b.add("%s %s at %s: %s", b.bad(what), some(nodes), f.Step, Clean(f.Text))
	b.log(f.Log)
	if f.Hint != "" {
		b.add("  %s %s", b.dim("hint:"), Clean(f.Hint))
	}
}

// fate says what became of a failed node.
func fate(n rollout.NodeOutcome) string {
	switch {
	case n.Undo != nil, !n.Touched:
		return ""
	case n.Restored:
		return "put back on " + release.VersionOf(n.From)
	case n.From == "" && n.Stopped:
		return "stopped: there was no earlier release to go back to"
	case n.From == "" && n.Runs == "":
		return "without a release, as before; its process may still run: this kind of restart cannot stop it"
	default:
		return "left as it is"
	}
}

// next says why it ended early, and what to type next.
func (s Summary) next(b *block) {
	o := s.Outcome
	if o.Err != nil && len(o.Problems) == 0 && o.Why != rollout.Declined {
		if o.Interrupted == "" { // else the first line has said it
			b.add("%s %s", b.bad("error:"), Clean(o.Reason))
			b.log(o.Log)
		}
		if o.Hint != "" {
			b.add("%s %s", b.warn("hint:"), Clean(o.Hint))
		}
	}
	for _, line := range s.commands() {
		b.add("%s", line)
	}
}

func (s Summary) commands() []string {
	o := s.Outcome
	target := s.Service
	if version := cmp.Or(o.Release.Version, o.Wanted); version != "" {
		target += "==" + version
	}
	deploy := fmt.Sprintf("rollpin deploy %s -e %s%s", target, s.Environment, s.Flags)
	again := deploy
	if s.StageOnly {
		again = fmt.Sprintf("rollpin stage %s -e %s%s", target, s.Environment, s.Flags)
	}
	if o.Rollback {
		again = fmt.Sprintf("rollpin rollback %s -e %s%s%s", s.Service, s.Environment, goal(o), s.Flags)
	}
	resume := cmp.Or(s.resume(), again)
	if s.Resumed {
		again = resume
	}
	back := fmt.Sprintf("rollpin rollback %s -e %s%s", s.Service, s.Environment, s.BackFlags)
	// Otherwise it may be the version itself that cannot be had.
	known := o.Rollback || o.Release.Version != "" || len(o.Problems) > 0 || o.Interrupted != ""
	var lines []string
	switch {
	case !known:
	case o.Status == rollout.AllStaged:
		lines = append(lines, "to activate it: "+deploy)
	case o.Status == rollout.DryRun, o.Why == rollout.Declined:
		lines = append(lines, "to do it:   "+again)
	case o.Why == rollout.Locked:
		lines = append(lines, "once it ended: "+again)
	case o.Why == rollout.Overtaken:
		lines = append(lines, "to deploy it all the same: "+deploy)
	case o.Status == rollout.Mixed, o.Interrupted != "" && o.Status != rollout.Succeeded:
		lines = append(lines, "to go on:   "+resume)
	case slices.ContainsFunc(o.Nodes, func(n rollout.NodeOutcome) bool { return n.Skipped != "" }):
		lines = append(lines, "once they are back: "+resume)
	case o.Status == rollout.Restored, o.Status == rollout.Untouched:
		lines = append(lines, "once mended: "+again)
	}
	if (o.Status == rollout.Succeeded || o.Status == rollout.Mixed) && !o.Rollback && replaced(o) {
		lines = append(lines, "to go back: "+back)
	}
	return lines
}

// resume is the command that goes on with the deployment; empty where there is no plan to go on with.
func (s Summary) resume() string {
	if s.Deployment == "" || s.Outcome.Plan.Digest == "" && !s.Resumed {
		return ""
	}
	return "rollpin resume " + s.Deployment
}

// goal names the version that a rollback without one was on its way to: asked again without it, the nodes that are there would go back further.
func goal(o rollout.Outcome) string {
	if o.Wanted != "" || o.Release.Version == "" {
		return ""
	}
	for _, n := range o.Nodes {
		if !n.Left && n.To != "" && n.To != o.Release.ID {
			return ""
		}
	}
	return " --version " + o.Release.Version
}

// replaced tells whether some node has an earlier release to go back to.
func replaced(o rollout.Outcome) bool {
	return slices.ContainsFunc(o.Nodes, func(n rollout.NodeOutcome) bool { return n.Touched && n.From != "" && n.From != n.To })
}
