package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

var (
	wordForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$`)
	packageForm = regexp.MustCompile(`^(@[a-z0-9~-][a-z0-9._~-]*/)?[A-Za-z0-9][A-Za-z0-9._~-]*$`)
	envForm     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	percentForm = regexp.MustCompile(`^(0|[1-9][0-9]?|100)%$`)
	bytesForm   = regexp.MustCompile(`^([0-9]{1,7})(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$`)
)

// text is a string that ok accepts.
func text(want string, ok func(string) bool) kind[string] {
	return plain(want, map[string]any{"type": "string"}, func(text string) (string, error) {
		switch {
		case hasControl(text):
			return "", controlRefused(want, text)
		case !ok(text):
			return "", errUnexpected
		}
		return text, nil
	}, "!!str")
}

func hasControl(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }

func controlRefused(want, text string) error {
	return &refusal{text: "expected " + want + ", got " + strconv.Quote(abridged(text)) + " with a control character in it"}
}

// matching is a string of a form.
func matching(want string, form *regexp.Regexp) kind[string] {
	k := text(want, form.MatchString)
	k.shape.scalar = map[string]any{"type": "string", "pattern": form.String()}
	return k
}

// line is any text on one line; it does not begin with a dash, so that no program can take it for an option.
func line(want string) kind[string] {
	return text(want, func(s string) bool { return strings.TrimSpace(s) == s && s != "" && s[0] != '-' })
}

// token is a line without spaces.
func token(want string) kind[string] {
	return text(want, func(s string) bool { return s != "" && s[0] != '-' && !strings.ContainsFunc(s, unicode.IsSpace) })
}

func word(want string) kind[string] {
	return matching(want+" (up to 63 letters, digits, _, . and -, the first no . or -)", wordForm)
}

// envName is the name of an environment variable. The value is never shown: people put the secret itself there.
func envName() kind[string] {
	schema := map[string]any{"type": "string", "pattern": envForm.String()}
	return plain("the name of an environment variable", schema, func(text string) (string, error) {
		if !envForm.MatchString(text) {
			return "", &refusal{"expected the name of an environment variable", "name the variable that holds the secret; the secret itself never stands in the file"}
		}
		return text, nil
	}, "!!str")
}

// enum is one of a few words.
func enum(words ...string) kind[string] {
	k := text(strings.Join(words[:len(words)-1], ", ")+" or "+words[len(words)-1], func(s string) bool { return slices.Contains(words, s) })
	k.shape.scalar = map[string]any{"enum": words}
	return k
}

func boolean() kind[bool] {
	return plain("true or false", map[string]any{"type": "boolean"}, strconv.ParseBool, "!!bool")
}

func integer(low, high int) kind[int] {
	want := "a whole number from " + strconv.Itoa(low) + " to " + strconv.Itoa(high)
	schema := map[string]any{"type": "integer", "minimum": low, "maximum": high}
	return plain(want, schema, func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < low || n > high {
			return 0, errUnexpected
		}
		return n, nil
	}, "!!int")
}

// duration is a time with a unit, in Go's notation, or 0.
func duration(low, high time.Duration) kind[time.Duration] {
	want := "a duration from " + shortDuration(low) + " to " + shortDuration(high) + ", such as 30s or 1m30s"
	schema := map[string]any{"anyOf": []any{
		map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`},
		map[string]any{"const": 0},
	}}
	return plain(want, schema, func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil || d < low || d > high {
			return 0, errUnexpected
		}
		return d, nil
	}, "!!str", "!!int")
}

// shortDuration writes 1m0s as 1m and 24h0m0s as 24h.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// size is a number of nodes, low or more, or a percentage of them.
func size(low int) kind[Size] {
	want := "a count or a percent up to 100%"
	if low > 0 {
		want = "a count from 1 or a percent from 1% to 100%"
	}
	schema := map[string]any{"anyOf": []any{
		map[string]any{"type": "integer", "minimum": low},
		map[string]any{"type": "string", "pattern": percentForm.String()},
	}}
	return plain(want, schema, func(text string) (Size, error) {
		digits, percent := strings.CutSuffix(text, "%")
		n, err := strconv.Atoi(digits)
		if err != nil || n < low || percent && !percentForm.MatchString(text) {
			return Size{}, errUnexpected
		}
		return Size{N: n, Percent: percent}, nil
	}, "!!str", "!!int")
}

// byteSize is a number of bytes with a unit, or 0.
func byteSize() kind[int64] {
	schema := map[string]any{"anyOf": []any{
		map[string]any{"type": "string", "pattern": bytesForm.String()},
		map[string]any{"const": 0},
	}}
	return plain("a size such as 256MiB or 2GB", schema, parseSize, "!!str", "!!int")
}

// ParseSize reads a number of bytes as the file has it, such as 256MiB or 2GB.
func ParseSize(text string) (int64, error) {
	n, err := parseSize(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no size such as 256MiB or 2GB", text)
	}
	return n, nil
}

func parseSize(text string) (int64, error) {
	units := map[string]int64{"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
	if text == "0" {
		return 0, nil
	}
	parts := bytesForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, errUnexpected
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	return n * units[parts[2]], err
}
