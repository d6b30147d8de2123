//go:build race

package testbed

// Race says whether tests and programs have the race detector: all takes longer then, and
// needs more memory.
const Race = true
