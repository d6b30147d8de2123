package main

import (
	"slices"
	"sync"
)

// roll lists the nodes that belong to the cluster at the moment: where clients may live. One
// that was killed does not, until it is home again.
type roll struct {
	mu    sync.Mutex
	nodes []int
}

func (r *roll) set(nodes []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes = slices.Clone(nodes)
}

// seat is the node on which client number n lives, and whether it is that of its home.
func (r *roll) seat(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nodes[n%len(r.nodes)]
}

// has tells whether a node belongs to the cluster.
func (r *roll) has(node int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.nodes, node)
}
