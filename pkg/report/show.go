package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/journal"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// WriteShowJSON writes a deployment as one JSON document, as it is folded from its journal.
func WriteShowJSON(w io.Writer, d journal.Deployment) error { return indented(w, d) }

// WriteShow writes all that is known of a deployment: its runs, waves, nodes and their steps, what failed with the end of its output, and
// what to type next.
func WriteShow(w io.Writer, d journal.Deployment, color bool) error {
	s := shown{Deployment: d, block: &block{style: newStyle(color)}}
	s.head()
	s.runs()
	s.waves()
	s.nodes()
	s.failures()
	s.tail()
	_, err := io.WriteString(w, s.block.String())
	return err
}

type shown struct {
	journal.Deployment
	*block
}

func (s shown) head() {
	what := Clean(cmp.Or(s.Title(), s.Service) + " on " + s.Environment)
	s.add("%s: %s%s", s.bold(what), ended(s.Deployment, s.style), s.dim(" ("+seconds(s.Took())+")"))
	s.add("  deployment %s", Clean(s.ID))
	if s.Release.ID != "" {
		s.add("  release %s", Clean(s.Release.ID))
	}
	if text := changes(&s.Release); text != "" {
		s.add("  changes: %s", Clean(text))
	}
	if flags := strings.Join(s.Asked.Flags, " "); flags != "" {
		s.add("  asked with %s", Clean(flags))
	}
	if s.Asked.Partial {
		s.add("  for a part of the nodes: %s", count(len(s.Asked.Nodes)))
	}
}

func (s shown) runs() {
	s.section("runs")
	for i, r := range s.Deployment.Runs {
		s.add("  %d  %s%s", i+1, r.Began.UTC().Format(clock), who(r.By))
		switch {
		case r.Ended.IsZero():
			s.add("     %s, last heard of at %s", s.warn("no end is known"), r.Updated.UTC().Format(clock))
		case r.Interrupted != "":
			s.add("     %s after %s, %s", r.Status, seconds(r.Ended.Sub(r.Began)), s.warn(Clean(r.Interrupted)))
		default:
			s.add("     %s after %s", r.Status, seconds(r.Ended.Sub(r.Began)))
		}
	}
}

func (s shown) waves() {
	if len(s.Waves) == 0 {
		return
	}
	s.section("waves")
	for _, w := range s.Waves {
		s.add("  %s%-8s  %-9s  %s", s.ofRun(w.Run), Clean(w.Name), count(w.Nodes), span(w.Began, w.Ended))
		for _, g := range w.Gates {
			s.add("    %s for %s: %s", g.Kind, Clean(g.Text), span(g.Began, g.Ended))
		}
		for _, d := range w.Decisions {
			s.add("    %s: %s", s.warn(string(d.Decision)), Clean(d.Reason))
		}
	}
}

func (s shown) section(name string) { s.add("%s", s.dim(name+":")) }

// ofRun names a run where there are several.
func (s shown) ofRun(run int) string {
	if len(s.Deployment.Runs) < 2 {
		return ""
	}
	return fmt.Sprintf("run %d: ", run)
}

// span is how long something took, or that it was not seen to end.
func span(began, ended time.Time) string {
	switch {
	case began.IsZero():
		return ""
	case ended.IsZero():
		return "began at " + began.UTC().Format("15:04:05") + ", did not end"
	}
	return seconds(ended.Sub(began))
}

func (s shown) nodes() {
	if len(s.Nodes) == 0 {
		return
	}
	s.section("nodes")
	for _, n := range s.Nodes {
		zone := ""
		if n.Zone != "" {
			zone = s.dim(" (" + Clean(n.Zone) + ")")
		}
		s.add("  %s%s  %s%s", Clean(n.Name), zone, move(n), s.fate(n))
		for run := range s.Deployment.Runs {
			if steps := stepsOf(n, run+1); steps != "" {
				s.add("    %s%s", s.ofRun(run+1), s.dim(steps))
			}
		}
	}
}

// move says from where to where a node goes: "1.3.0 -> 1.4.0: ".
func move(n journal.Node) string {
	switch {
	case n.To == "":
		return ""
	case n.From == "" || n.From == n.To:
		return Clean(release.VersionOf(n.To)) + ": "
	}
	return Clean(release.VersionOf(n.From) + " -> " + release.VersionOf(n.To) + ": ")
}

// fate says what is true of a node.
func (s shown) fate(n journal.Node) string {
	on := Clean(cmp.Or(release.VersionOf(n.Runs), nothing))
	switch {
	case n.Skipped:
		return "left alone"
	case n.InDoubt() && n.Undo == nil:
		return s.bad("in doubt") + ", it may run either"
	case n.InDoubt():
		return s.bad("in doubt") + ", it could not be put back"
	case n.Healthy && !n.Touched:
		return "runs it already"
	case n.Healthy:
		return s.good("healthy")
	case n.Restored:
		return s.warn("put back")
	case n.Touched && n.Undo != nil:
		return s.bad("not put back") + ", runs " + on
	case n.Touched && n.Failure != nil:
		return s.bad(string(n.Failure.Class)) + ", runs " + on
	case n.Touched && !restarted(n):
		return s.warn("switched") + " to " + on + ", not seen to restart"
	case n.Touched:
		return s.warn("not seen healthy") + ", runs " + on
	case n.Failure != nil:
		return s.bad(string(n.Failure.Class)) + ", not touched"
	}
	return "not touched"
}

// restarted tells whether a node's service was restarted since its last switch: until then, what runs is what ran before.
func restarted(n journal.Node) bool {
	for _, step := range slices.Backward(n.Steps) {
		switch step.Step {
		case rollout.StepSwitch:
			return false
		case rollout.StepRestart:
			return step.Result != "" && step.Result != journal.Cut
		}
	}
	return true
}

// stepsOf lists the steps of a node in one run: "stage 2.1s, switch 0.1s, health failed after 60s".
func stepsOf(n journal.Node, run int) string {
	var steps []string
	for _, step := range n.Steps {
		if step.Run != run {
			continue
		}
		text := string(step.Step)
		switch step.Result {
		case journal.Done:
			text += " " + seconds(step.Took)
		case journal.Failed:
			text += " failed after " + seconds(step.Took)
		case journal.Cut:
			text += " cut short"
		default:
			text += " since " + step.Began.UTC().Format("15:04:05")
		}
		steps = append(steps, text)
	}
	return Clean(strings.Join(steps, ", "))
}

// failures are shown as in the last block of a deployment.
func (s shown) failures() {
	o := rollout.Outcome{Problems: s.Problems}
	for _, n := range s.Nodes {
		o.Nodes = append(o.Nodes, rollout.NodeOutcome{
			Node: n.Name, From: n.From, To: n.To, Known: n.Known, Runs: n.Runs, Touched: n.Touched, Restored: n.Restored, Stopped: n.Stopped,
			Healthy: n.Healthy, Failure: n.Failure, Undo: n.Undo,
		})
	}
	summary := Summary{Outcome: o}
	summary.problems(s.block)
	summary.failures(s.block)
	if s.Reason != "" && len(s.Problems) == 0 && s.Interrupted == "" {
		s.add("%s %s", s.bad("error:"), Clean(s.Reason))
		s.log(s.Log)
		if s.Hint != "" {
			s.add("%s %s", s.warn("hint:"), Clean(s.Hint))
		}
	}
	for _, group := range fold(s.Notes, func(n journal.Note) (string, string) { return n.Node, n.Text }) {
		s.add("note: %s", Clean(strings.TrimPrefix(some(group.nodes)+": "+group.first.Text, ": ")))
	}
}

// tail says where more is, and what to type next.
func (s shown) tail() {
	if len(s.Trimmed) > 0 {
		s.add("left out here: %s; all of it is in %s on %s", strings.Join(s.Trimmed, ", "), Clean(s.File), Clean(s.Host))
	}
	if s.Status == "" || s.Status == rollout.Mixed {
		s.add("to go on:   rollpin resume %s", Clean(s.ID))
	}
}
