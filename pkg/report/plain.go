package report

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/rollout"
)

// heartbeat is the longest silence: CI systems end jobs that say nothing. It is promised within 30 s, and would fall on the end of a bake then.
const heartbeat = 25 * time.Second

// plain writes one line for each event, with the time since the start, and a heartbeat when there is nothing to say.
type plain struct {
	lines lines
	mu    sync.Mutex // guards the rest
	w     io.Writer
	progress
	began, last time.Time
	timer       *time.Timer
}

func newPlain(w io.Writer, l lines) *plain {
	p := &plain{lines: l, w: w, began: time.Now(), last: time.Now()}
	p.timer = time.AfterFunc(heartbeat, p.beat)
	return p
}

// Event writes the lines of e.
func (p *plain) Event(e rollout.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take(e)
	for _, line := range p.lines.of(e) {
		p.write(line)
	}
}

// write must be called with mu held. A reader that went away is no reason to stop a deployment.
func (p *plain) write(line string) {
	now := time.Now()
	p.last = now
	elapsed := now.Sub(p.began)
	_, _ = fmt.Fprintf(p.w, "%s  %s\n", p.lines.dim(fmt.Sprintf("%02d:%02d", int(elapsed.Minutes()), int(elapsed.Seconds())%60)), line)
}

func (p *plain) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil {
		return
	}
	if silent := time.Since(p.last); silent < heartbeat {
		p.timer.Reset(heartbeat - silent)
		return
	}
	text := p.line(time.Now())
	if text == "" {
		text = "nothing new"
	}
	p.write("still at it: " + fit(text, 200))
	p.timer.Reset(heartbeat)
}

// Suspend calls do.
func (p *plain) Suspend(do func()) { do() }

// Close ends the heartbeat.
func (p *plain) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.timer = nil
}
