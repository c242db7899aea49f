package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/plan"
	"github.com/rollpin/rollpin/pkg/release"
	"github.com/rollpin/rollpin/pkg/rollout"
)

// lines turns events into lines that stay.
type lines struct {
	style
	verbose, quiet bool
}

// of returns the lines of an event; none for one that is not worth a line.
func (l lines) of(e rollout.Event) []string {
	if l.quiet && e.Kind != rollout.StepFailed && e.Kind != rollout.Interrupting {
		return nil
	}
	switch e.Kind {
	case rollout.Resolved:
		return l.resolved(e)
	case rollout.Planned:
		return l.planned(e)
	case rollout.StepStarted:
		if l.verbose {
			return []string{l.node(e.Node, l.dim(string(e.Step)+" …"))}
		}
	case rollout.StepFinished:
		return l.finished(e)
	case rollout.StepFailed:
		return l.failed(e)
	case rollout.WaveStarted:
		return []string{l.bold(fmt.Sprintf("wave %d of %d: %s", e.Number, e.Waves, e.Wave)) + ", " + count(e.Nodes)}
	case rollout.BakeStarted:
		return []string{fmt.Sprintf("%s must stay healthy for %s", e.Wave, e.Text)}
	case rollout.Decided:
		return []string{l.warn(string(e.Decision)) + ": " + Clean(e.Text)}
	case rollout.Interrupting:
		return []string{l.warn(Clean(e.Text) + ": starting nothing new, bringing nodes in flight to a safe end")}
	case rollout.Note:
		return []string{l.node(e.Node, Clean(e.Text))}
	}
	return nil
}

func (l lines) resolved(e rollout.Event) []string {
	text := "release " + l.bold(e.Resolved.ID)
	if e.Resolved.Packages > 0 {
		text += fmt.Sprintf(" (%d packages in its lock)", e.Resolved.Packages)
	}
	out := []string{text}
	if text := changes(e.Resolved); text != "" {
		out = append(out, "  changes: "+Clean(text))
	}
	for _, note := range e.Resolved.Notes {
		out = append(out, "  "+Clean(note))
	}
	return out
}

// changes says how a release differs from what runs: the packages, and the files where they are known.
func changes(r *rollout.Release) string {
	const most = 6
	var parts []string
	for i, c := range r.Changes {
		if i == most && len(r.Changes) > most+1 {
			parts = append(parts, fmt.Sprintf("%d more packages", len(r.Changes)-most))
			break
		}
		parts = append(parts, c.String())
	}
	if r.Files != nil {
		parts = append(parts, fmt.Sprintf("%d files, %s", r.Files.Added+r.Files.Removed+r.Files.Changed, Bytes(r.Files.Bytes)))
	}
	return strings.Join(parts, ", ")
}

func (l lines) planned(e rollout.Event) []string {
	head := fmt.Sprintf("plan: %s in %s", count(len(e.Plan.Steps())), waves(len(e.Plan.Waves)))
	if e.Text != "" {
		head += ", " + e.Text
	}
	if done := len(e.Plan.Done); done > 0 {
		head += fmt.Sprintf("; %d run it already", done)
	}
	out := []string{head}
	for _, wave := range e.Plan.Waves {
		out = append(out, fmt.Sprintf("  %-8s  %s", wave.Name, moves(wave)))
	}
	return out
}

// moves lists the nodes of a wave, with the version that they leave where it is the same for all.
func moves(w plan.Wave) string {
	var names []string
	from := map[string]bool{}
	for _, s := range w.Steps {
		names = append(names, s.Node)
		from[release.VersionOf(s.From)] = true
	}
	text := some(names)
	if len(from) == 1 && w.Steps[0].From != "" {
		text += fmt.Sprintf("  %s -> %s", release.VersionOf(w.Steps[0].From), release.VersionOf(w.Steps[0].To))
	}
	return text
}

func (l lines) finished(e rollout.Event) []string {
	took := l.dim(" (" + seconds(e.Took) + ")")
	version := release.VersionOf(e.Release)
	switch e.Step {
	case rollout.StepStage:
		return []string{l.node(e.Node, "staged "+version+how(e.Staged)+took)}
	case rollout.StepHealth:
		return []string{l.node(e.Node, l.good("healthy")+" on "+version+took)}
	case rollout.StepRestore:
		return []string{l.node(e.Node, l.warn("back on "+version)+took)}
	case rollout.StepWithdraw:
		return []string{l.node(e.Node, l.warn("stopped: it had no release before")+took)}
	}
	if l.verbose {
		return []string{l.node(e.Node, string(e.Step)+took)}
	}
	return nil
}

// how says how a release came to a node: ", 12 KiB of 3 MiB sent".
func how(s *rollout.Staged) string {
	switch {
	case s == nil:
		return ""
	case s.How == "present":
		return ", it was there"
	case s.How == "sent" && s.Shared != "":
		return fmt.Sprintf(", %s sent, the rest from %s", Bytes(s.Sent), release.VersionOf(s.Shared))
	case s.How == "sent":
		return fmt.Sprintf(", %s sent", Bytes(s.Sent))
	}
	return ", built there"
}

// Bytes writes a number of bytes for people.
func Bytes(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= 10*unit.size {
			return fmt.Sprintf("%d %s", n/unit.size, unit.name)
		}
		if n >= unit.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

func (l lines) failed(e rollout.Event) []string {
	out := []string{l.node(e.Node, l.bad(string(e.Failure.Class))+fmt.Sprintf(" at %s: %s", e.Step, Clean(e.Failure.Text)))}
	if l.verbose {
		for _, line := range e.Failure.Log {
			out = append(out, l.dim("  | "+Clean(line)))
		}
	}
	return out
}

func (l lines) node(name, text string) string {
	if name == "" {
		return text
	}
	return fmt.Sprintf("  %-8s  %s", name, text)
}

func count(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

func waves(n int) string {
	if n == 1 {
		return "1 wave"
	}
	return fmt.Sprintf("%d waves", n)
}

// some lists names, and counts those over eight.
func some(names []string) string {
	const most = 8
	if len(names) > most+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], " "), len(names)-most)
	}
	return strings.Join(names, " ")
}

func seconds(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0fs", d.Seconds())
	default:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
}
