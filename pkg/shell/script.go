// Package shell holds remote commands as data: a constant POSIX sh text and the values that it needs, joined by one quoting function.
//
// Nothing else in rollpin puts a value into shell text. A Script is built by a pure function, compared in tests without a network,
// and sent to a node on the standard input of sh, so that neither values nor secrets ever stand in a process list.
package shell

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Script is one remote command as a value.
type Script struct {
	// Name is the step as errors and events call it, such as "switch" or "install".
	Name string
	// Vars are assigned, quoted, before Body runs.
	Vars []Var
	// Args become the positional parameters $1, $2, … of Body.
	Args []string
	// Body is constant POSIX sh text; values reach it through Vars and Args only.
	Body string
}

// Var is one shell variable of a Script.
type Var struct {
	// Name is a shell identifier in lower case.
	Name string
	// Value may hold anything but NUL.
	Value string
	// Secret values are struck out of everything that the node prints.
	Secret bool
}

// prelude is what every Script may use: fact KEY VALUE for one line of answer, facts KEY to turn each line of standard input into one,
// die MESSAGE to end with a reason.
const prelude = `set -u
umask 022
fact() { printf '::%s %s\n' "$1" "$2"; }
facts() { sed "s/^/::$1 /"; }
die() { fact error "$1"; exit 1; }
`

var varName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Text renders the script for sh. It fails on a value with NUL and on a variable that is no lower-case shell identifier.
func (s Script) Text() (string, error) {
	body, err := s.fragment()
	if err != nil {
		return "", err
	}
	return prelude + body, nil
}

// Secrets returns the values that must never be shown.
func (s Script) Secrets() []string {
	var secrets []string
	for _, v := range s.Vars {
		if v.Secret && v.Value != "" {
			secrets = append(secrets, v.Value)
		}
	}
	return secrets
}

// Join makes one command of several scripts, each in a subshell of its own so that their variables cannot meet.
// The joined script goes on after a part that fails and ends with the last failing status.
func Join(name string, parts ...Script) (Script, error) {
	var text strings.Builder
	joined := Script{Name: name}
	text.WriteString("joined=0\n")
	for _, part := range parts {
		body, err := part.fragment()
		if err != nil {
			return Script{}, err
		}
		fmt.Fprintf(&text, "(\n%s\n) || joined=$?\n", body)
		for _, secret := range part.Secrets() {
			joined.Vars = append(joined.Vars, Var{Name: fmt.Sprintf("secret%d", len(joined.Vars)), Value: secret, Secret: true})
		}
	}
	text.WriteString("exit $joined\n")
	joined.Body = text.String()
	return joined, nil
}

func (s Script) fragment() (string, error) {
	var text strings.Builder
	s.unset(&text)
	for _, v := range s.Vars {
		if !varName.MatchString(v.Name) {
			return "", fmt.Errorf("script %s: %q is no shell variable name", s.Name, v.Name)
		}
		quoted, err := Quote(v.Value)
		if err != nil {
			return "", fmt.Errorf("script %s: variable %s: %w", s.Name, v.Name, err)
		}
		fmt.Fprintf(&text, "%s=%s\n", v.Name, quoted)
	}
	if len(s.Args) > 0 {
		text.WriteString("set --")
		for i, arg := range s.Args {
			quoted, err := Quote(arg)
			if err != nil {
				return "", fmt.Errorf("script %s: argument %d: %w", s.Name, i+1, err)
			}
			text.WriteString(" " + quoted)
		}
		text.WriteString("\n")
	}
	text.WriteString(s.Body)
	return text.String(), nil
}

// unset forgets what the node's own environment has of the names: a variable that was exported would stay so, and hand a secret to
// every child.
func (s Script) unset(text *strings.Builder) {
	if len(s.Vars) == 0 {
		return
	}
	text.WriteString("unset")
	for _, v := range s.Vars {
		text.WriteString(" " + v.Name)
	}
	text.WriteString("\n")
}

// Quote makes s one word of POSIX sh. It refuses NUL, which no shell can carry.
func Quote(s string) (string, error) {
	if strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("value %q contains NUL", s)
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}

// Result is what a script that ended with status 0 left behind.
type Result struct {
	// Stdout and Stderr are bounded and free of the script's secrets.
	Stdout, Stderr string
	// Took is the time from sending the script to its end.
	Took time.Duration
}

// Facts returns the answer lines of the script.
func (r Result) Facts() Facts { return ParseFacts(r.Stdout) }

// ExitError says that a script ran and ended with a status other than 0.
type ExitError struct {
	Script string
	// Status is the exit status; -1 if a signal ended it.
	Status int
	// Signal is the signal's name without SIG, or empty.
	Signal string
	// Result holds what was printed until then.
	Result Result
}

// Error gives the reason that the script gave, else the last line that it printed on standard error.
func (e *ExitError) Error() string {
	ending := fmt.Sprintf("exit status %d", e.Status)
	if e.Signal != "" {
		ending = "ended by SIG" + e.Signal
	}
	if reason := e.Result.Facts().Get("error"); reason != "" {
		return reason
	}
	if line := lastLine(e.Result.Stderr); line != "" {
		return fmt.Sprintf("%s: %s", ending, line)
	}
	return ending
}

func lastLine(text string) string {
	text = strings.TrimRight(text, "\r\n\t ")
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}
