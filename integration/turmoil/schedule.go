package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// faultKind names what the adversary can do.
type faultKind string

const (
	off              faultKind = "off"
	cut              faultKind = "cut"
	part             faultKind = "part"
	killRedis        faultKind = "kill-redis"
	restartRedis     faultKind = "restart-redis"
	stopRedis        faultKind = "stop-redis"
	killAgent        faultKind = "kill-agent"
	restartAgent     faultKind = "restart-agent"
	stopAgent        faultKind = "stop-agent"
	killClusterAgent faultKind = "kill-cluster-agent"
	stopClusterAgent faultKind = "stop-cluster-agent"
)

// of is what a fault befalls: a service, or what its own name says.
func (k faultKind) of() string {
	if _, service, found := strings.Cut(string(k), "-"); found {
		return service
	}
	return string(k)
}

// Parts that a schedule gives to nodes, by index. The others come after them.
const (
	leader = iota
	candidate
	second
)

// fault is one act of the adversary.
type fault struct {
	At     time.Duration // after the first promotion has begun
	Kind   faultKind
	Who    int           // index of the part
	Other  int           // of part: from whom
	Length time.Duration // 0 for what is over at once
}

// promotion is a run of promote-node.
type promotion struct {
	At       time.Duration
	On, Node int // indices of parts: where it is typed, and who is to lead
}

// plan is a schedule.
type plan struct {
	Seed       uint64
	Silence    time.Duration // AGENT_LEADER_SILENCE; 0: its default
	Turn       int           // who of those that can lead is the candidate
	Promotions []promotion
	Faults     []fault
	// Takeover is when somebody takes the leader for dead, and types switch-leader on all
	// other nodes, the candidate first; 0: nobody does.
	Takeover time.Duration
}

// card is a kind of fault: how often it is drawn, and how long it lasts at most.
type card struct {
	kind   faultKind
	weight int
	most   time.Duration // 0: it is over at once
}

func deck() []card {
	const s = time.Second
	return []card{
		{off, 5, 12 * s},
		{cut, 5, 12 * s},
		{part, 3, 12 * s},
		{killRedis, 4, 0},
		{restartRedis, 2, 0},
		{stopRedis, 3, 8 * s},
		{killAgent, 4, 0},
		{restartAgent, 2, 0},
		{stopAgent, 3, 8 * s},
		{killClusterAgent, 1, 0},
		{stopClusterAgent, 1, 4 * s},
	}
}

// meaning is what --help says of each kind, in its order.
func meaning() [][2]string {
	return [][2]string{
		{string(off), "the power of a node is cut, and it boots after a while"},
		{string(cut), "a node's cable is pulled"},
		{string(part), "two nodes do not hear each other"},
		{string(killRedis), "SIGKILL to a Redis, which is started again at once"},
		{string(restartRedis), "the same with SIGTERM: it saves its data"},
		{string(stopRedis), "SIGSTOP to a Redis, and SIGCONT after a while"},
		{string(killAgent), "SIGKILL to a node agent, which is started again at once"},
		{string(restartAgent), "the same with SIGTERM"},
		{string(stopAgent), "SIGSTOP to a node agent, and SIGCONT"},
		{string(killClusterAgent), "SIGKILL to a cluster agent, which is started again at once"},
		{string(stopClusterAgent), "SIGSTOP to a cluster agent, and SIGCONT"},
	}
}

// Bounds of a schedule.
const (
	mostFaults = 4
	span       = 3 * time.Second         // in which faults begin
	busy       = 1200 * time.Millisecond // in which most of a promotion happens
)

// draw draws a schedule for so many nodes: the same arguments give the same one. No
// fault lasts longer than most; AGENT_LEADER_SILENCE is one of silences.
func draw(seed uint64, nodes int, silences []time.Duration, most time.Duration) plan {
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // it has to be repeatable
	p := plan{Seed: seed, Turn: random.IntN(nodes), Promotions: drawPromotions(random)}
	p.Silence = silences[random.IntN(len(silences))]
	for range 1 + random.IntN(mostFaults) {
		f := drawFault(random, nodes, most)
		p.Faults = append(p.Faults, f)
		if random.IntN(5) == 0 { // twice in a row
			f.At += f.Length + upTo(random, span/2)
			p.Faults = append(p.Faults, f)
		}
	}
	if random.IntN(4) == 0 {
		p.takeOver(random, min(takeoverMost, most))
	}
	slices.SortStableFunc(p.Faults, func(a, b fault) int { return cmp.Compare(a.At, b.At) })
	return p
}

// takeoverMost is the longest absence of a leader that is taken for dead.
const takeoverMost = 12 * time.Second

// takeOver has the leader die, or only seem dead, and another one lead.
func (p *plan) takeOver(random *rand.Rand, most time.Duration) {
	f := fault{Kind: []faultKind{off, cut}[random.IntN(2)], Who: leader, At: upTo(random, busy), Length: most/2 + upTo(random, most/2)}
	p.Faults = append(p.Faults, f)
	p.Takeover = f.At + time.Second + upTo(random, time.Second)
}

// drawPromotions draws one, or two in a row: to another, back, or to another while the
// first is under way.
func drawPromotions(random *rand.Rand) []promotion {
	first := promotion{On: leader, Node: candidate}
	later := time.Second + upTo(random, span)
	soon := upTo(random, busy)
	switch random.IntN(5) {
	case 0:
		return []promotion{first, {At: later, On: candidate, Node: second}}
	case 1:
		return []promotion{first, {At: later, On: candidate, Node: leader}}
	case 2:
		return []promotion{first, {At: soon, On: leader, Node: second}}
	}
	return []promotion{first}
}

func drawFault(random *rand.Rand, nodes int, most time.Duration) fault {
	c := drawCard(random)
	f := fault{Kind: c.kind, Who: drawWho(random, nodes), At: upTo(random, []time.Duration{busy, span}[random.IntN(2)])}
	f.Other = (f.Who + 1 + random.IntN(nodes-1)) % nodes
	longest := min(c.most, most)
	// As many short ones as long ones.
	f.Length = upTo(random, []time.Duration{longest / 6, longest}[random.IntN(2)])
	return f
}

func drawCard(random *rand.Rand) card {
	var all []card
	for _, c := range deck() {
		for range c.weight {
			all = append(all, c)
		}
	}
	return all[random.IntN(len(all))]
}

// drawWho prefers those who have a part in the promotion.
func drawWho(random *rand.Rand, nodes int) int {
	all := []int{leader, leader, leader, candidate, candidate, candidate, second}
	for who := second; who < nodes; who++ {
		all = append(all, who)
	}
	return all[random.IntN(len(all))]
}

// upTo is a time in whole milliseconds.
func upTo(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(most.Milliseconds()+1)) * time.Millisecond
}

// cast gives the parts to nodes: who leads, then those who can lead, from Turn on, then
// the others.
func (p plan) cast(leads int, prepared, members []int) []int {
	others := slices.DeleteFunc(slices.Clone(prepared), func(id int) bool { return id == leads })
	turn := p.Turn % len(others)
	nodes := slices.Concat([]int{leads}, others[turn:], others[:turn])
	for _, id := range members {
		if !slices.Contains(nodes, id) {
			nodes = append(nodes, id)
		}
	}
	return nodes
}

// lines are the schedule in words.
func (p plan) lines(who func(part int) string) []string {
	silence := "by default"
	if p.Silence > 0 {
		silence = p.Silence.String()
	}
	lines := make([]string, 0, 2+len(p.Promotions)+len(p.Faults))
	lines = append(lines, fmt.Sprintf("seed %d, AGENT_LEADER_SILENCE %s", p.Seed, silence))
	for _, m := range p.Promotions {
		lines = append(lines, fmt.Sprintf("%5d ms  promote-node on %s: %s", m.At.Milliseconds(), who(m.On), who(m.Node)))
	}
	if p.Takeover > 0 {
		lines = append(lines, fmt.Sprintf("%5d ms  switch-leader on all but %s: %s", p.Takeover.Milliseconds(), who(leader), who(candidate)))
	}
	for _, f := range p.Faults {
		line := fmt.Sprintf("%5d ms  %-18s %s", f.At.Milliseconds(), f.Kind, who(f.Who))
		if f.Kind == part {
			line += " from " + who(f.Other)
		}
		if f.Length > 0 {
			line += fmt.Sprintf(" for %d ms", f.Length.Milliseconds())
		}
		lines = append(lines, line)
	}
	return lines
}

// partName names a part for whom no node is known yet.
func partName(index int) string {
	names := []string{"the leader", "the candidate", "the next candidate"}
	if index < len(names) {
		return names[index]
	}
	return fmt.Sprintf("worker %d", index)
}

// named names a part with its node.
func named(cast []int) func(int) string {
	return func(index int) string {
		return fmt.Sprintf("node %d (%s)", cast[index], strings.TrimPrefix(partName(index), "the "))
	}
}
