// Command turmoil proves that a cluster comes through a change of its leader, whatever
// happens meanwhile, and that nobody has to type anything: real agents, Redis and
// WireGuard on the nodes of package lab, clients that write, promotions begun with
// api-cli, and an adversary that cuts links and kills, stops and restarts parts of nodes,
// or all of one, as a schedule says that is drawn from a seed. In some schedules the leader
// seems to be dead, and somebody types switch-leader on the others.
//
// When all faults are lifted and all nodes are on again, within a minute
//
//   - one node leads: its Redis is the only master, and says itself that it leads,
//   - all nodes are at the same epoch, in Redis and in leadership.json,
//   - each node looks as the lab wants it (its replica is in sync, wg0, wg0.conf, hosts), and
//     what the leader writes arrives at all,
//   - each pair of nodes reach each other over the VPN,
//   - the agents of all nodes are connected to the leader, and its own cluster agent.
//
// # Lost writes
//
// Clients write to whichever Redis takes writes, also to two masters at a time, and note
// what was acknowledged, by which node, in which epoch. Each such write has to be in the
// final leader's data, or in a dump (lost-writes-*.rdb) that a node kept when it became
// a worker: it was cut off, and others went on without it. There is one excuse: a Redis
// that was master in this schedule, or was to become it, was killed, or its node's power
// cut, within 15 s after the write was acknowledged. Redis replicates after it has
// acknowledged, and saves every five seconds at most, so that what it had last was
// nowhere else, or it came back as master with older data. Those are counted. A Redis that
// is restarted in order (SIGTERM), stopped, or cut off, is no excuse.
//
// What is judged is pure ([judge]), and so is what happens ([draw]).
package main
