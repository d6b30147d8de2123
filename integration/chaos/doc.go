// Command chaos proves that the agent loses no task and runs none twice, from
// outside: the built binary and a real redis-server, between them a proxy, steps
// that are executables, a driver that pushes tasks of all kinds, and an adversary
// that kills, stops and cuts, as a schedule says that is drawn from a seed.
//
// There are two runs. In the first, Redis writes each change to its append-only
// file before it acknowledges it, so that what it acknowledged is there after any
// fault; at its end
//
//   - each task whose push was acknowledged has one result, stored and published
//     once: otherwise it is lost or doubled,
//   - no step has run twice, but those of actions that are declared repeatable
//     (steps append a line to a file before they do anything else),
//   - each client that waited was answered,
//   - nothing is left in progress, and no key stays for ever.
//
// In the second run Redis keeps nothing and is restarted empty. Tasks that had
// not started are gone with it then; what was running has to come to its result
// all the same, and the agent has to go on by itself.
//
// What is judged is a history, by a pure function ([judge]); what happens is a
// schedule, made by another ([schedule]).
package main
