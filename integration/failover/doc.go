// Command failover measures the change of the leader, in a lab of real parts: a leader that
// is alive is promoted away again and again, one that is dead is replaced, while clients
// write, push tasks and ping. It prints tables, and fails if anything was lost or doubled.
//
// The measuring itself is cheap: nodes are watched over connections that stay open, by
// reading files, and by the control socket of WireGuard's engine, without any process.
package main
