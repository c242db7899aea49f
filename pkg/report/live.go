package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/rollout"
)

const (
	frame    = 100 * time.Millisecond
	liveRows = 8
)

// live keeps a block at the bottom of a terminal that shows what is going on; lines that stay scroll away above it.
type live struct {
	lines lines
	width func() int
	done  chan struct{}
	ended sync.WaitGroup

	mu sync.Mutex // guards the rest: whoever holds it owns the terminal
	w  io.Writer
	progress
	drawn int
	turn  int
}

func newLive(w io.Writer, width func() int, l lines) *live {
	v := &live{lines: l, w: w, width: width, done: make(chan struct{})}
	v.ended.Go(v.animate)
	return v
}

// Event shows e at once.
func (v *live) Event(e rollout.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.take(e)
	v.draw(v.lines.of(e), time.Now())
}

func (v *live) animate() {
	ticker := time.NewTicker(frame)
	defer ticker.Stop()
	for {
		select {
		case <-v.done:
			return
		case now := <-ticker.C:
			v.mu.Lock()
			v.turn++
			v.draw(nil, now)
			v.mu.Unlock()
		}
	}
}

// draw replaces the block: first the lines that stay, then the block as it is now.
func (v *live) draw(stay []string, now time.Time) {
	block := v.block(now)
	if v.drawn == 0 && len(block) == 0 && len(stay) == 0 {
		return
	}
	var out strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&out, "\x1b[%dA\r\x1b[J", v.drawn)
	}
	for _, line := range append(stay, block...) {
		out.WriteString(line + "\n")
	}
	v.drawn = len(block)
	_, _ = io.WriteString(v.w, out.String()) // a terminal that went away is no reason to stop a deployment
}

func (v *live) block(now time.Time) []string {
	width := v.width() - 1
	spinner := string([]rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[v.turn%10])
	var rows []string
	flights := v.flights()
	for i, f := range flights {
		if i == liveRows && len(flights) > liveRows+1 {
			rows = append(rows, v.lines.dim(fit(fmt.Sprintf("  and %d more", len(flights)-i), width)))
			break
		}
		rows = append(rows, fit(fmt.Sprintf("%s %-8s  %-8s %s", spinner, f.node, f.step, seconds(now.Sub(f.since))), width))
	}
	if v.baking != "" {
		left := max(0, v.until.Sub(now)).Round(time.Second)
		rows = append(rows, fit(fmt.Sprintf("%s %s must stay healthy for %s more", spinner, v.baking, left), width))
	}
	return rows
}

// Suspend takes the block away while do uses the terminal.
func (v *live) Suspend(do func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
	do()
}

func (v *live) erase() {
	if v.drawn > 0 {
		_, _ = fmt.Fprintf(v.w, "\x1b[%dA\r\x1b[J", v.drawn)
		v.drawn = 0
	}
}

// Close takes the block away.
func (v *live) Close() {
	close(v.done)
	v.ended.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
}
