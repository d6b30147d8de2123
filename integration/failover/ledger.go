package main

import (
	"slices"
	"sync"
	"time"
)

// ack is a write that a leader has acknowledged.
type ack struct {
	value  int64
	at     time.Time // when the client heard of it
	leader int       // the node that acknowledged it
}

// ledger is what one client has got acknowledged, in order.
type ledger struct {
	mu   sync.Mutex
	acks []ack
}

func (l *ledger) add(value int64, leader int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acks = append(l.acks, ack{value, time.Now(), leader})
}

// all returns what was acknowledged so far; it is not to be changed.
func (l *ledger) all() []ack {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.acks)
}

// moments are the times of writes.
func moments(acks []ack) []time.Time {
	all := make([]time.Time, 0, len(acks))
	for _, a := range acks {
		all = append(all, a.at)
	}
	return all
}

// kill is the time in which a leader's machine died, and that in which it came home.
type kill struct {
	node         int
	began, ended time.Time
	home         time.Time // when it followed the new leader
}
