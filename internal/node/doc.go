// Package node is this machine as a member of the cluster: it brings the
// machine to what the cluster's records in Redis say, follows a change of the
// leader, and joins a cluster.
//
// # The loop
//
// A [Keeper] in the node agent runs [Machine.Settle]: at start, once the local
// Redis is in sync or known to be cut off; after each subscription to events; when
// Redis has come back, or changed its role or master, or names another leader; when the host's addresses,
// links or routes have changed; when a name has to be looked up again; every 30
// seconds. Each run acts on differences only. One that finds none changes nothing,
// logs nothing, writes no file. Runs for the host's network that find something to
// do each time, since somebody else takes it back, become rarer.
//
// # Removed nodes
//
// A removed node has to find out by itself, and this is what it can know:
//
//   - Its record is gone from its own replica, among records that are otherwise
//     whole. RemoveNode of package cluster sees to it that the deletion travels
//     before the node's user, and with it the replication, goes. A Redis that is
//     empty, or loads its data, or has lost the leader's record too, says nothing:
//     during a full resync Redis serves the old records, or refuses to answer.
//   - The leader's Redis lets it in and does not have the record.
//   - The leader's Redis, a master that answers, refuses its password (WRONGPASS),
//     when the link is down. Another implementation may delete the user first, and
//     the hub drops the node's peer soon after: it may be heard only once, and
//     counts until the leader lets the node in again. A new leader that does not
//     have the node's user yet says the same.
//   - Silence says nothing. A node that was off while it was removed takes its
//     leader for dead.
//
// The first two have to hold for 10 seconds, the refusal for a minute. Then the
// node is silent ([Standing]): the cluster's peers on wg0 lose endpoint and
// keepalive, so that nothing leaves the machine, not even for a Redis that tries to
// connect each second. Allowed IPs and routes stay, so that nothing takes another
// way, and wg0.conf stays as it is. One line in the log says so.
//
// Records get lost by mistake, too, and a node far away must not need a visit when
// they are restored. So a silent node asks: the endpoints come back for 15 seconds,
// after a minute if it was refused, after ten if its record is gone, then after
// twice that time, up to an hour. It also asks when its agent starts, when an
// administrator runs apply-vpn-routes or brings wg0 up anew, and when the hub makes
// itself heard. Once it is let in and its record is there, it works again.
//
// What was known ends with a join: until the records of the new cluster have come,
// those that are there, of the former one, are not applied.
//
// # The way home
//
// A worker listens for its leader, by what comes over the link of its Redis. When it has
// been silent for [Machine.LeaderSilence], the node seeks: it takes the nodes that were
// prepared to lead, those with an endpoint in its records, as peers, each for its own
// address alone, and asks their Redis who leads. It follows one that is a master, says that it
// leads this cluster, by its UUID, and does so in an epoch that is not older than what the
// node knows of. If its leader answers after all, it goes on waiting. A node whose Redis was
// made a master, and that does not lead by its records, seeks in the same way, and follows
// its leader, too, if that leads. While it seeks, it
// tells on its own Redis how far its data go, for a node that is about to lead
// ([Machine.SwitchAll]).
//
// Prepared nodes make that possible: they stand by, that is they have all nodes as peers,
// so that each gets an answer.
//
// A leader whom no more than half of the other nodes follow asks those that are there for
// a later epoch than its own. It gives way to one that it has announced itself at once, to
// one that it has prepared after LeaderSilence, else to none; meanwhile it hands out no node
// ids and takes no tasks ([Machine.Overtaken]), and clients that would write wait. One that has
// just started and that few follow does the same for the first seconds, until it has asked.
// Before its Redis becomes a replica, it keeps a copy of
// its data, unless the new leader's epoch began after all that was written here. From the
// copy on nothing is written.
//
// # Other implementations
//
// They hand nothing over: at the event each node writes who leads, the new leader becomes a
// master at once, and the old one its replica. So a leader whose candidate leads already
// follows it, as one that has been overtaken. And a candidate whose leader is a replica, and
// names it, in the records of both, takes the lead: else each would wait for the other, or
// follow it.
//
// # Files
//
// In the state directory of the node agent: vpn-peers, the keys of peers that this
// software has added and may remove; membership.json, the [Standing];
// leadership.json, the last change of the leader that the node has heard of, and the last that
// it has announced as a leader; leader-silence.json, while the leader is silent;
// lost-writes-….rdb, copies of what a leader had that its successor may lack.
package node
