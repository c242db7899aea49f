// Package nearest finds the names that somebody may have meant.
package nearest

import (
	"slices"
	"strings"
)

// longest bounds the work on one pair of names, in bytes: nobody mistypes names longer than this.
const longest = 128

// Nearest returns at most limit of the names in have that are close to want, the closest first, each once. Close is a few letters left out,
// added, changed or swapped (about one in four), whatever their case, or one name being a part of the other.
func Nearest(want string, have []string, limit int) []string {
	type candidate struct {
		name string
		cost int
	}
	var found []candidate
	for _, name := range slices.Compact(slices.Sorted(slices.Values(have))) {
		if cost, ok := cost(strings.ToLower(want), strings.ToLower(name)); ok {
			found = append(found, candidate{name, cost})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.cost - b.cost })
	var names []string
	for _, c := range found[:min(max(limit, 0), len(found))] {
		names = append(names, c.name)
	}
	return names
}

// cost is 0 for equal names and grows with what tells them apart; false if they have too little in common.
func cost(a, b string) (int, bool) {
	if a == "" || b == "" || len(a) > longest || len(b) > longest {
		return 0, false
	}
	x, y := []rune(a), []rune(b)
	d := distance(x, y)
	if d <= 1+(len(x)-1)/4 && d < max(len(x), len(y)) {
		return d, true
	}
	part := min(len(x), len(y)) >= 3 && (strings.Contains(a, b) || strings.Contains(b, a))
	return d, part
}

// distance counts the letters left out, added, changed or swapped with their neighbour between a and b (optimal string alignment).
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
