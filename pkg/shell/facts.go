package shell

import (
	"strings"
)

// Facts are the answer lines of a script, "::KEY VALUE", in order. Other lines, such as the greeting of a log-in shell, are not facts.
type Facts []Fact

// Fact is one answer line.
type Fact struct{ Key, Value string }

// ParseFacts reads the answer lines out of what a script printed.
func ParseFacts(output string) Facts {
	var facts Facts
	for line := range strings.Lines(output) {
		rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "::")
		if !ok {
			continue
		}
		key, value, _ := strings.Cut(rest, " ")
		facts = append(facts, Fact{key, value})
	}
	return facts
}

// Get returns the last value of key, or "".
func (f Facts) Get(key string) string {
	for i := len(f) - 1; i >= 0; i-- {
		if f[i].Key == key {
			return f[i].Value
		}
	}
	return ""
}

// All returns every value of key, in order.
func (f Facts) All(key string) []string {
	var values []string
	for _, fact := range f {
		if fact.Key == key {
			values = append(values, fact.Value)
		}
	}
	return values
}

// Text joins every value of key with newlines: a file that was sent line by line.
func (f Facts) Text(key string) string {
	return strings.Join(f.All(key), "\n")
}
