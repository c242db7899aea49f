package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// shown is how many problems Error prints.
const shown = 50

// Error is everything that is wrong with a configuration, in the order of the file, then of the flags. It always holds a problem.
type Error struct{ Problems []Problem }

// Problem is one mistake, where it stands, and what was expected.
type Problem struct {
	Place
	// Text says what was expected, and what was found unless that could be a secret.
	Text string
	// Hint is the fix, where it is known; else empty.
	Hint string
}

// Place is where a value came from: a line of a file, or a flag.
type Place struct {
	// File is the file's name as it was given; empty for flags.
	File string
	// Line and Column count from 1; Column counts characters. Both are 0 where the whole file is meant.
	Line, Column int
	// Flag is a flag such as --batch; empty for files.
	Flag string
	// Key is the path of the key, such as services.api.health.http.
	Key string
}

// String is FILE:LINE:COLUMN: KEY or the flag, with what is unknown left out.
func (p Place) String() string {
	if p.Flag != "" {
		return p.Flag
	}
	var parts []string
	switch {
	case p.Line > 0:
		parts = append(parts, fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column))
	case p.File != "":
		parts = append(parts, p.File)
	}
	if p.Key != "" {
		parts = append(parts, p.Key)
	}
	return strings.Join(parts, ": ")
}

// Error gives one line for each problem.
func (e *Error) Error() string {
	var lines []string
	for i, p := range e.Problems {
		if i == shown {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Problems)-shown))
			break
		}
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// Hint gives the fixes that are known, one a line and each once; empty if none is.
func (e *Error) Hint() string {
	var hints []string
	for _, p := range e.Problems {
		if p.Hint != "" && !slices.Contains(hints, p.Hint) {
			hints = append(hints, p.Hint)
		}
	}
	return strings.Join(hints, "\n")
}

// String is the place and the text.
func (p Problem) String() string {
	if place := p.Place.String(); place != "" {
		return place + ": " + p.Text
	}
	return p.Text
}

// asError sorts the problems and drops repetitions; nil if there are none.
func asError(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Flag, b.Flag), a.Line-b.Line, a.Column-b.Column)
	})
	seen := map[string]bool{}
	kept := slices.DeleteFunc(problems, func(p Problem) bool {
		again := seen[p.String()]
		seen[p.String()] = true
		return again
	})
	return &Error{kept}
}
