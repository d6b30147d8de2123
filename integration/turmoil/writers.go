package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/integration/lab"
	"cluster-agent/internal/wait"
)

// writers are clients that write to whichever node takes writes.
type writers struct {
	seed    uint64
	clients map[int]*redis.Client
	order   []int // of nodes
	running sync.WaitGroup
	end     context.CancelFunc

	mu  sync.Mutex
	all []write
}

const (
	writerCount = 4
	writePause  = 4 * time.Millisecond
	writeTime   = time.Second // after which a write counts as not acknowledged
)

// startWriters begins to write, in keys of this schedule.
func startWriters(ctx context.Context, c *lab.Cluster, seed uint64) (*writers, error) {
	w := &writers{seed: seed, clients: map[int]*redis.Client{}, order: c.Members}
	for _, id := range c.Members {
		db, err := c.Lab.Node(id).DB()
		if err != nil {
			return nil, err
		}
		w.clients[id] = db
	}
	ctx, w.end = context.WithCancel(ctx)
	for i := range writerCount {
		w.running.Go(func() { w.write(ctx, i) })
	}
	return w, nil
}

// key is where a writer of a schedule writes.
func key(seed uint64, writer int) string { return fmt.Sprintf("turmoil/%d/%d", seed, writer) }

// write adds one number after the other to a set. One that was refused, or whose answer
// got lost, is given to the next node.
func (w *writers) write(ctx context.Context, writer int) {
	at := writer % len(w.order)
	for number := 1; wait.For(ctx, writePause); {
		done, err := w.once(ctx, writer, number, w.order[at])
		if err != nil {
			at = (at + 1) % len(w.order)
			continue
		}
		w.mu.Lock()
		w.all = append(w.all, done)
		w.mu.Unlock()
		number++
	}
}

// once writes one number, and asks the same Redis who leads.
func (w *writers) once(ctx context.Context, writer, number, node int) (write, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	at := time.Now()
	pipe := w.clients[node].Pipeline()
	added := pipe.SAdd(ctx, key(w.seed, writer), number)
	leads := pipe.HMGet(ctx, "cluster/leadership", "epoch", "node_id")
	_, pipeErr := pipe.Exec(ctx)
	if err := added.Err(); err != nil {
		return write{}, errors.Join(err, pipeErr)
	}
	done := write{Writer: writer, Number: number, Node: node, At: at}
	if fields := leads.Val(); len(fields) == 2 {
		done.Epoch, done.Leader = int64(number0(fields[0])), number0(fields[1])
	}
	return done, nil
}

// number0 reads a field of a hash; 0 if it is none.
func number0(field any) int {
	text, ok := field.(string)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// stop ends the writing and returns what was acknowledged.
func (w *writers) stop() []write {
	w.end()
	w.running.Wait()
	return w.all
}

// readNumbers reads the writes of a schedule that a Redis has.
func readNumbers(ctx context.Context, db *redis.Client, seed uint64) (numbers, error) {
	all := numbers{}
	for writer := range writerCount {
		members, err := db.SMembers(ctx, key(seed, writer)).Result()
		if err != nil {
			return nil, fmt.Errorf("read the writes: %w", err)
		}
		all.add(writer, members)
	}
	return all, nil
}

func (n numbers) add(writer int, members []string) {
	if n[writer] == nil {
		n[writer] = map[int]bool{}
	}
	for _, m := range members {
		if number, err := strconv.Atoi(m); err == nil {
			n[writer][number] = true
		}
	}
}
