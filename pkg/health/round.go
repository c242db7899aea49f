package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
)

// probe is one check that can be asked.
type probe interface {
	// ask asks once. The error is a fault of the node: it says nothing about the service.
	ask(ctx context.Context) (verdict, error)
}

func newProbe(n Node, check config.Check, want Want) (p probe, err error) {
	switch check.Kind {
	case "http":
		p, err = newHTTPProbe(n, check, want)
	case "tcp":
		p, err = newTCPProbe(n, check.Target)
	case "command":
		p = commandProbe{n, check.Target}
	case "systemd":
		p = &systemdProbe{node: n, unit: check.Target}
	default:
		err = fmt.Errorf("unknown kind %q, want http, tcp, command or systemd", check.Kind)
	}
	if err != nil {
		return nil, fmt.Errorf("health check %s: %w", label(check), err)
	}
	return p, nil
}

func newProbes(n Node, checks []config.Check, want Want) ([]probe, error) {
	var probes []probe
	for _, check := range checks {
		p, err := newProbe(n, check, want)
		if err != nil {
			return nil, err
		}
		probes = append(probes, p)
	}
	return probes, nil
}

// verdict is what a probe thinks of an answer; the fields are Answer's.
type verdict struct {
	ok         bool
	text, body string
}

func passed(format string, args ...any) verdict {
	return verdict{ok: true, text: clean(fmt.Sprintf(format, args...), maxText)}
}

func failed(format string, args ...any) verdict {
	return verdict{text: clean(fmt.Sprintf(format, args...), maxText)}
}

// with adds what the service said.
func (v verdict) with(body string) verdict {
	v.body = clean(body, maxBody)
	return v
}

// result is a verdict, or a fault of the node, and how long it took.
type result struct {
	verdict
	fault error
	took  time.Duration
}

func (r result) answer(check config.Check) Answer {
	return Answer{Check: check, OK: r.ok, Text: r.text, Body: r.body, Took: r.took}
}

// round asks all probes together, each for no longer than limit.
func round(ctx context.Context, probes []probe, limit time.Duration) []result {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	results := make([]result, len(probes))
	var all sync.WaitGroup
	for i, p := range probes {
		all.Go(func() { results[i] = ask(ctx, p) })
	}
	all.Wait()
	return results
}

func ask(ctx context.Context, p probe) result {
	began := time.Now()
	v, fault := p.ask(ctx)
	r := result{verdict: v, fault: fault, took: time.Since(began)}
	if ctx.Err() != nil && fault == nil && !v.ok {
		r.verdict = failed("no answer within %s", r.took.Round(100*time.Millisecond)).with(v.body)
	}
	return r
}

func faultOf(results []result) error {
	for _, r := range results {
		if r.fault != nil {
			return r.fault
		}
	}
	return nil
}

func allPassed(results []result) bool {
	for _, r := range results {
		if !r.ok {
			return false
		}
	}
	return true
}

// hinted tells whether an error knows its fix, as those about a node do.
func hinted(err error) bool {
	var fixable interface{ Hint() string }
	return errors.As(err, &fixable)
}
