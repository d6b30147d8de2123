package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// faultKind names what the adversary can do.
type faultKind string

const (
	killAgent  faultKind = "kill-agent"
	termAgent  faultKind = "term-agent"
	drainAgent faultKind = "drain-agent"
	stopAgent  faultKind = "stop-agent"
	killRedis  faultKind = "kill-redis"
	awayRedis  faultKind = "away-redis"
	stopRedis  faultKind = "stop-redis"
	killBoth   faultKind = "kill-both"
	power      faultKind = "power"
	cut        faultKind = "cut"
	slow       faultKind = "slow"
	memory     faultKind = "memory"
	replica    faultKind = "replica"
	emptyRedis faultKind = "empty-redis"
	rollRedis  faultKind = "roll-redis"
)

// meaning is what --help says of each kind, in its order.
func meaning() [][2]string {
	return [][2]string{
		{string(killAgent), "SIGKILL to the agent, which is started again after the fault's length"},
		{string(termAgent), "the same with SIGTERM"},
		{string(drainAgent), "the same with SIGUSR1, with no pushes until it has ended"},
		{string(stopAgent), "SIGSTOP to the agent, and SIGCONT after the length"},
		{string(killRedis), "SIGKILL to Redis, which is started again after the length"},
		{string(awayRedis), "the same, for longer than the life of a task's context"},
		{string(stopRedis), "SIGSTOP to Redis, and SIGCONT"},
		{string(killBoth), "SIGKILL to Redis, then to the agent, which comes back first"},
		{string(power), "SIGKILL to agent, Redis and running steps at once"},
		{string(cut), "each connection breaks after some more bytes of requests or of replies"},
		{string(slow), "the proxy holds replies back"},
		{string(memory), "Redis has no memory left (OOM)"},
		{string(replica), "Redis becomes a replica (READONLY), and a master again"},
		{string(emptyRedis), "Redis ends and comes back without its data (second run only)"},
		{string(rollRedis), "Redis ends and comes back with what it had the fault's length before (third run only)"},
	}
}

// fault is one act of the adversary.
type fault struct {
	After   int           // tasks whose push was acknowledged
	Delay   time.Duration // then to wait
	Kind    faultKind
	Length  time.Duration
	Bytes   int  // of a cut: how many still pass on each connection
	Replies bool // of a cut: they are bytes of replies, not of requests
}

// String is a line of the schedule.
func (f fault) String() string {
	text := fmt.Sprintf("after %5d tasks and %3d ms  %-11s for %5d ms", f.After, f.Delay.Milliseconds(), f.Kind, f.Length.Milliseconds())
	switch {
	case f.Kind == cut && f.Replies:
		text += fmt.Sprintf(", at %d bytes of replies", f.Bytes)
	case f.Kind == cut:
		text += fmt.Sprintf(", at %d bytes of requests", f.Bytes)
	}
	return text
}

// card is a kind of fault in a deck: how often it is there, and how long it lasts.
type card struct {
	kind     faultKind
	count    int
	min, max time.Duration
}

// contextLife is how many polling intervals a task's context outlives its last
// heartbeat; an absence has to be longer, and up to three times as long.
const contextLife = 12

// durableDeck is what happens to a Redis that keeps what it acknowledged.
func durableDeck(interval time.Duration) []card {
	const ms = time.Millisecond
	return []card{
		{killAgent, 11, 0, 400 * ms},
		{termAgent, 4, 0, 400 * ms},
		{drainAgent, 3, 0, 400 * ms},
		{stopAgent, 4, 50 * ms, 2000 * ms},
		{killRedis, 6, 0, 2000 * ms},
		{awayRedis, 1, contextLife * interval * 5 / 3, contextLife * interval * 10 / 3},
		{stopRedis, 3, 100 * ms, 3000 * ms},
		{killBoth, 2, 300 * ms, 1500 * ms},
		{power, 3, 0, 1000 * ms},
		{cut, 8, 50 * ms, 300 * ms},
		{slow, 2, 1000 * ms, 5000 * ms},
		{memory, 3, 200 * ms, 3000 * ms},
		{replica, 3, 200 * ms, 3000 * ms},
	}
}

// emptyingDeck is what happens when Redis keeps nothing. The agent lives on: it
// alone knows what it was running.
func emptyingDeck(interval time.Duration) []card {
	const ms = time.Millisecond
	return []card{
		{emptyRedis, 6, 0, 2000 * ms},
		{emptyRedis, 1, contextLife * interval, contextLife * interval * 5 / 3},
		{stopAgent, 1, 50 * ms, 1000 * ms},
		{cut, 2, 50 * ms, 300 * ms},
		{slow, 1, 1000 * ms, 3000 * ms},
	}
}

// rollingDeck is what happens when Redis loses its last writes. The agent lives on:
// it alone knows what it has run.
func rollingDeck() []card {
	const ms = time.Millisecond
	return []card{
		{rollRedis, 12, 0, 1000 * ms},
		{stopAgent, 1, 50 * ms, 1000 * ms},
		{killRedis, 1, 0, 1000 * ms},
		{stopRedis, 1, 100 * ms, 1000 * ms},
		{cut, 2, 50 * ms, 300 * ms},
		{slow, 1, 500 * ms, 2000 * ms},
		{replica, 1, 200 * ms, 1000 * ms},
	}
}

// schedule draws the faults of a run: the same arguments give the same faults.
// They are spread evenly over the tasks, each a little aside.
func schedule(seed uint64, tasks, faults int, deck []card) []fault {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // it has to be repeatable
	list := make([]fault, 0, faults)
	var hand []card
	for i := range faults {
		if len(hand) == 0 {
			hand = shuffled(random, deck)
		}
		list = append(list, draw(random, hand[0], tasks*i/faults+random.IntN(1+tasks/faults)))
		hand = hand[1:]
	}
	slices.SortStableFunc(list, func(a, b fault) int { return cmp.Compare(a.After, b.After) })
	return list
}

// shuffled has each kind as often as the deck says. Each kind comes once before
// any comes twice, so that a short schedule has as many of them as it can.
func shuffled(random *rand.Rand, deck []card) []card {
	var first, rest []card
	for _, c := range deck {
		first = append(first, c)
		for range c.count - 1 {
			rest = append(rest, c)
		}
	}
	for _, cards := range [][]card{first, rest} {
		random.Shuffle(len(cards), func(i, j int) { cards[i], cards[j] = cards[j], cards[i] })
	}
	return append(first, rest...)
}

func draw(random *rand.Rand, c card, after int) fault {
	const mostDelay = 100 * time.Millisecond
	f := fault{
		After:  after,
		Delay:  upTo(random, mostDelay),
		Kind:   c.kind,
		Length: c.min + upTo(random, c.max-c.min),
	}
	if c.kind == cut {
		// Within one of the small messages there are, mostly, or behind many of them.
		most := []int{100, 400, 20_000}[random.IntN(3)]
		f.Bytes, f.Replies = random.IntN(most), random.IntN(2) == 0
	}
	return f
}

// upTo is a time in whole milliseconds.
func upTo(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(most.Milliseconds()+1)) * time.Millisecond
}
