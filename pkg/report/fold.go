package report

import (
	"slices"

	"github.com/rollpin/rollpin/pkg/inventory"
)

// folded is a group of nodes of which one and the same thing is to be said.
type folded[T any] struct {
	nodes []string
	first T
}

// fold groups items by key, in the order in which keys first come; nodes in natural order.
func fold[T any](items []T, of func(T) (node, key string)) []folded[T] {
	var groups []folded[T]
	index := map[string]int{}
	for _, item := range items {
		node, key := of(item)
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key] = i
			groups = append(groups, folded[T]{first: item})
		}
		groups[i].nodes = append(groups[i].nodes, node)
	}
	for _, group := range groups {
		slices.SortFunc(group.nodes, inventory.CompareNames)
	}
	return groups
}
