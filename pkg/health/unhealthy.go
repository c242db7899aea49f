package health

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/rollpin/rollpin/pkg/config"
)

// UnhealthyError says that a service did not become healthy in time.
type UnhealthyError struct {
	// Answers are those of the last round that failed, of every check, in the order of the configuration; of the last round if none failed.
	Answers []Answer
	// Passes is the longest run of passing rounds, AtEnd the one that was under way at the deadline, Wanted the one that was asked for.
	Passes, AtEnd, Wanted int
	Elapsed               time.Duration
}

// Error names the failing checks and what they answered, in one line.
func (e *UnhealthyError) Error() string {
	var failing []string
	for _, answer := range e.Failing() {
		failing = append(failing, label(answer.Check)+" "+answer.Text+said(answer))
	}
	switch {
	case len(failing) == 0:
		failing = []string{"too few rounds before the deadline"}
	case e.AtEnd > 0:
		failing = append(failing, "then it passed, too late")
	}
	return fmt.Sprintf("not healthy within %s: %s (%d of %d passes)", e.Elapsed.Round(100*time.Millisecond), strings.Join(failing, "; "), e.Passes, e.Wanted)
}

// Failing returns the answers that were not OK; none if no round failed and the deadline came first.
func (e *UnhealthyError) Failing() []Answer {
	var failing []Answer
	for _, answer := range e.Answers {
		if !answer.OK {
			failing = append(failing, answer)
		}
	}
	return failing
}

// said is the service's own reason, where it gave one; a page of markup is none.
func said(answer Answer) string {
	if answer.Body == "" || strings.HasPrefix(answer.Body, "<") {
		return ""
	}
	return ": " + clean(answer.Body, maxSaid)
}

// label is a check as errors call it. A password in a URL is struck out.
func label(check config.Check) string {
	if check.Kind != "http" {
		return clean(check.Kind+" "+check.Target, maxText)
	}
	target, err := url.Parse(check.Target)
	if err != nil {
		return "http"
	}
	return clean(target.Redacted(), maxText)
}
