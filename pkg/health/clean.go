package health

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of texts, in bytes.
const (
	maxText    = 300
	maxBody    = 512
	maxSaid    = 160 // of a body, in an error
	maxVersion = 80
)

// clean makes one line of at most limit bytes out of what a node said: control characters, line and paragraph separators and runs of white space
// become one blank; what is invisible or changes the direction of text (Unicode category Cf) is dropped; bytes that are no UTF-8 become U+FFFD.
func clean(text string, limit int) string {
	text = text[:min(len(text), 8*limit)]
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= limit {
		return text
	}
	end := limit - len("…")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
