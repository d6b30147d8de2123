package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"cluster-agent/internal/wait"
)

const queueKey = agentID + "/tasks"

// order is a task to be pushed.
type order struct {
	id   string
	kind kind
	data string
}

// pusher pushes tasks of all kinds, as fast as they are done.
type pusher struct {
	server *server
	ledger *ledger
	random *rand.Rand
	deck   []kind // each kind as often as its weight
	// backlog is how many tasks may wait.
	backlog int64

	// gate is held by whoever pushes, and locked by whoever wants no pushes.
	gate sync.RWMutex
}

func newPusher(s *server, l *ledger, seed uint64) *pusher {
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // it has to be repeatable
	p := &pusher{server: s, ledger: l, random: random, backlog: fewWaiting}
	if s.durable {
		p.backlog = manyWaiting
	}
	for _, k := range kinds() {
		for range k.weight {
			p.deck = append(p.deck, k)
		}
	}
	return p
}

const (
	// manyWaiting is enough for the agent to be busy after each fault, and few
	// enough to be done soon. A Redis that is emptied takes with it what waits,
	// which is to be few: what was running is of interest.
	manyWaiting, fewWaiting = 150, 30
	// oneWaits is per how many pushes there is a client that waits for its task.
	oneWaits = 5
	// roomPause is between looks for room, refusedPause between pushes that fail:
	// there is no end of new ids, but each is to be looked at in the end.
	roomPause    = 10 * time.Millisecond
	refusedPause = 50 * time.Millisecond
)

// run pushes until ctx ends; some tasks it leaves to clients that wait.
func (p *pusher) run(ctx context.Context, client func(kind)) {
	for ctx.Err() == nil {
		if p.random.IntN(oneWaits) == 0 {
			client(p.draw())
		}
		if err := p.push(ctx, p.batch()...); err != nil {
			wait.For(ctx, refusedPause)
			continue
		}
		p.awaitRoom(ctx)
	}
}

func (p *pusher) draw() kind { return p.deck[p.random.IntN(len(p.deck))] }

// batch is some tasks that are pushed with one command, in the order in which
// they are to be taken.
func (p *pusher) batch() []order {
	const most = 8
	var orders []order
	for range 1 + p.random.IntN(most) {
		k := p.draw()
		this := order{p.ledger.add(k.name), k, k.data}
		switch k.cancel {
		case notCancelled:
			orders = append(orders, this)
		case cancelledRunning:
			orders = append(orders, this, p.cancelOf(this))
		case cancelledWaiting:
			orders = append(orders, p.cancelOf(this), this)
		}
	}
	return orders
}

func (p *pusher) cancelOf(target order) order {
	return order{p.ledger.add(cancelTask), kind{action: cancelTask}, fmt.Sprintf(`{"task":%q,"timeout":5}`, target.id)}
}

// push pushes tasks, or tells that it does not know whether it did.
func (p *pusher) push(ctx context.Context, orders ...order) error {
	p.gate.RLock()
	defer p.gate.RUnlock()
	words := []any{"lpush", queueKey}
	var ids []string
	for _, o := range orders {
		payload, err := o.payload()
		if err != nil {
			return err
		}
		words, ids = append(words, payload), append(ids, o.id)
	}
	if err := p.server.client().Do(ctx, words...).Err(); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	p.ledger.ack(ids...)
	return nil
}

func (o order) payload() ([]byte, error) {
	fields := map[string]any{"id": o.id, "action": o.kind.action}
	if o.data != "" {
		fields["data"] = json.RawMessage(o.data)
	}
	payload, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encode a task: %w", err)
	}
	return payload, nil
}

// awaitRoom waits until not too many tasks wait.
func (p *pusher) awaitRoom(ctx context.Context) {
	for {
		length, err := p.server.client().LLen(ctx, queueKey).Result()
		if (err == nil && length < p.backlog) || !wait.For(ctx, roomPause) {
			return
		}
	}
}
