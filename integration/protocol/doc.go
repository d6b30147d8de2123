// Package protocol tests the agent from outside: the built binary, started as a
// service manager would start it, on a real redis-server, with what it sends
// read through MONITOR. One test also runs the agent's parts in its own process,
// where goroutines that are left over can be seen.
//
// The tests are an index of the protocol: above each stands the rule that it
// checks, in the protocol's own words. Files are named for what the rules are
// about; those that begin with wire_ hold what tests share.
package protocol
