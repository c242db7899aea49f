package report

import (
	"strings"
	"unicode"
)

// Clean makes text from a node harmless to a terminal: control characters, escape sequences' ESC among them, and marks that change the
// direction of text become spaces.
func Clean(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\t', unicode.IsControl(c), unicode.Is(unicode.Bidi_Control, c), c == '\u2028', c == '\u2029':
			return ' '
		case c == unicode.ReplacementChar:
			return '?'
		}
		return c
	}, text)
}

// fit cuts text to width columns, counting every character as one.
func fit(text string, width int) string {
	runes := []rune(text)
	if width < 1 || len(runes) <= width {
		return text
	}
	return string(runes[:width-1]) + "…"
}
