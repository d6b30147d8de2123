// Command chaos proves that the agent loses no task and runs none twice, from
// outside: the built binary and a real redis-server, between them a proxy, steps
// that are executables, a driver that pushes tasks of all kinds, and an adversary
// that kills, stops and cuts, as a schedule says that is drawn from a seed.
//
// There are three runs. In the first, Redis writes each change to its append-only
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
// In the third run Redis comes back as it was some moments before, as the Redis of a
// leader's successor that had not got the last writes yet; the agent lives on. A
// task whose push was acknowledged before those moments stands in the dataset that
// Redis comes back with, and is judged as in the first run: it has a result in the
// end, and its steps have run once, whether it waits there again, stands in progress
// or is done; only its final status may have been told once more, and the same. A
// task that was pushed during those moments, or whose push was not acknowledged
// before them, was acknowledged and not kept: it is lost only if it ran, and neither
// was its final status told nor is its result there.
//
// What is judged is a history, by a pure function ([judge]); what happens is a
// schedule, made by another ([schedule]).
package main
