package cluster

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/redistest"
)

// handOverTime is what a hand-over that works is given at most.
const handOverTime = 20 * time.Second

// pair is a master and its replica in sync.
type pair struct {
	store           *Store // of the master
	client          *redis.Client
	master, replica *redistest.Server
}

func newPair(t *testing.T) pair {
	t.Helper()
	var p pair
	p.store, p.client, p.master = newStore(t)
	p.replica = startRedis(t)
	must(t, p.client.Set(t.Context(), "counter", 0, 0).Err())
	p.replica.Follow(p.master)
	// The master becomes the replica's replica.
	must(t, p.store.Login(t.Context(), "cluster", redistest.Password))
	return p
}

// write increments the counter until Redis takes no more writes.
func write(ctx context.Context, client *redis.Client, acknowledged *atomic.Int64) {
	for ctx.Err() == nil && client.Incr(ctx, "counter").Err() == nil {
		acknowledged.Add(1)
	}
}

func TestHandOverLosesNoWrite(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	sibling := startRedis(t)
	sibling.Follow(p.master)
	full := p.master.Info("stats", "sync_full")

	var acknowledged atomic.Int64
	var writers sync.WaitGroup
	for range 4 {
		client := p.master.Client()
		writers.Go(func() { write(t.Context(), client, &acknowledged) })
	}
	p.master.Eventually("take writes", func() bool { return acknowledged.Load() > 500 })
	must(t, p.store.HandOver(t.Context(), p.replica.Addr, handOverTime))
	writers.Wait()

	role, err := p.store.Role(t.Context())
	must(t, err)
	if role.Master || role.Source != p.replica.Address() {
		t.Errorf("role of the old master: %+v", role)
	}
	counter, err := p.replica.Client().Get(t.Context(), "counter").Int64()
	must(t, err)
	if counter < acknowledged.Load() || counter > acknowledged.Load()+4 {
		t.Errorf("the new master has %d of %d acknowledged writes", counter, acknowledged.Load())
	}

	// The sibling turns, and nobody needs more than what is new.
	follower := NewStore(sibling.Client())
	must(t, follower.Follow(t.Context(), p.replica.Addr))
	inSync := func(role Role) bool { return !role.Master && role.LinkUp && role.Source == p.replica.Address() }
	must(t, follower.WaitRole(t.Context(), inSync))
	must(t, p.store.WaitRole(t.Context(), inSync))
	if now := p.master.Info("stats", "sync_full"); now != full {
		t.Errorf("full resyncs from the old master: %s before, %s after", full, now)
	}
	if now := p.replica.Info("stats", "sync_full"); now != "0" {
		t.Errorf("full resyncs from the new master: %s", now)
	}
}

func TestHandOverBackAndForth(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	servers := []*redistest.Server{p.master, p.replica}
	stores := []*Store{p.store, NewStore(p.replica.Client())}
	for i := range 4 {
		from, to := stores[i%2], servers[(i+1)%2]
		must(t, from.WaitRole(t.Context(), func(role Role) bool { return role.Master && len(role.Replicas) == 1 }))
		must(t, from.HandOver(t.Context(), to.Addr, handOverTime))
	}
	for _, server := range servers {
		if full := server.Info("stats", "sync_full"); server == p.replica && full != "0" || server == p.master && full != "1" {
			t.Errorf("full resyncs from %s: %s", server.Address(), full)
		}
	}
}

// wantStillMaster checks that the master leads and takes writes.
func wantStillMaster(t *testing.T, p pair) {
	t.Helper()
	role, err := p.store.Role(t.Context())
	must(t, err)
	if !role.Master {
		t.Errorf("role after a hand-over that failed: %+v", role)
	}
	must(t, p.client.Incr(t.Context(), "counter").Err())
}

func TestHandOverToNobody(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	err := p.store.HandOver(t.Context(), netip.MustParseAddr("10.5.4.99"), handOverTime)
	if err == nil || !strings.Contains(err.Error(), "10.5.4.99") {
		t.Errorf("a node that is not connected: %v", err)
	}
	wantStillMaster(t, p)
	if err := NewStore(p.replica.Client()).HandOver(t.Context(), p.master.Addr, handOverTime); err == nil {
		t.Error("a replica has handed over")
	}
}

func TestHandOverToAPausedReplica(t *testing.T) {
	t.Parallel()
	for name, writes := range map[string]int{
		"that lacks writes":      100,
		"that lacks nothing yet": 0,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const patience = 2 * time.Second
			p := newPair(t)
			caughtUp(t, p)
			p.replica.Pause()
			for range writes {
				must(t, p.client.Incr(t.Context(), "counter").Err())
			}
			started := time.Now()
			err := p.store.HandOver(t.Context(), p.replica.Addr, patience)
			if took := time.Since(started); err == nil || took > patience+time.Second {
				t.Errorf("after %s: %v", took, err)
			}
			wantStillMaster(t, p)

			// When the replica is back, it is one as before.
			p.replica.Continue()
			again := NewStore(p.replica.Client())
			must(t, again.WaitRole(t.Context(), func(role Role) bool { return !role.Master && role.LinkUp }))
			p.replica.Eventually("get the writes", func() bool {
				got, err := p.replica.Client().Get(t.Context(), "counter").Result()
				return err == nil && got == strconv.Itoa(writes+1)
			})
			wantStillMaster(t, p)
		})
	}
}

// caughtUp waits until the replica has acknowledged all that was written.
func caughtUp(t *testing.T, p pair) {
	t.Helper()
	p.master.Eventually("hear that the replica has all", func() bool {
		role, err := p.store.Role(t.Context())
		must(t, err)
		offset := p.master.Info("replication", "master_repl_offset")
		return len(role.Replicas) == 1 && strconv.FormatInt(role.Replicas[0].Offset, 10) == offset
	})
}

// TestHandOverRefused: the target does not let its new replica in.
func TestHandOverRefused(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	must(t, p.store.Login(t.Context(), "cluster", "wrong"))
	const patience = 2 * time.Second
	started := time.Now()
	if err := p.store.HandOver(t.Context(), p.replica.Addr, patience); err == nil {
		t.Error("handed over without the right to follow")
	}
	if took := time.Since(started); took > patience+time.Second {
		t.Errorf("took %s", took)
	}
	wantStillMaster(t, p)
}

func TestFollowAndLead(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	other := startRedis(t)
	store := NewStore(other.Client())
	must(t, store.Login(t.Context(), "cluster", redistest.Password))
	must(t, store.Follow(t.Context(), p.master.Addr))
	must(t, store.WaitRole(t.Context(), func(role Role) bool { return role.Source == p.master.Address() && role.LinkUp }))
	must(t, store.Lead(t.Context()))
	must(t, store.Lead(t.Context())) // twice is no failure
	role, err := store.Role(t.Context())
	must(t, err)
	if !role.Master {
		t.Errorf("role %+v", role)
	}
}

func TestSettingsSurviveARestart(t *testing.T) {
	t.Parallel()
	store, client, server := newStore(t)
	ctx := t.Context()
	address := netip.MustParseAddr("10.5.4.1")
	must(t, store.Listen(ctx, address))
	must(t, store.Listen(ctx, address)) // twice is no failure
	must(t, store.Login(ctx, "node/1", "a password with spaces"))
	must(t, store.Remember(ctx))
	server.Kill()
	server.Run()
	for name, want := range map[string]string{
		"bind":       server.Addr.String() + " -10.5.4.1",
		"masteruser": "node/1", "masterauth": "a password with spaces",
	} {
		got, err := client.ConfigGet(ctx, name).Result()
		must(t, err)
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// A replica that acknowledges at once is handed over to at once, whatever is written
// meanwhile; by itself it acknowledges once a second.
func TestHurriedHandOver(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	ctx, stop := context.WithCancel(t.Context())
	var acknowledged atomic.Int64
	var busy sync.WaitGroup
	defer busy.Wait()
	defer stop()
	client := p.master.Client()
	busy.Go(func() { write(ctx, client, &acknowledged) })
	p.master.Eventually("take writes", func() bool { return acknowledged.Load() > 100 })
	store := NewStore(p.replica.Client())
	busy.Go(func() {
		if err := store.HurryAcks(ctx); err != nil && ctx.Err() == nil {
			t.Log(err) // its connection ends with the role
		}
	})
	p.master.Eventually("hear of the replica all the time", func() bool {
		lag, err := p.store.replicaLag(ctx, p.replica.Addr)
		return err == nil && lag.Online && lag.Bytes < 1000
	})
	began := time.Now()
	must(t, p.store.HandOver(ctx, p.replica.Addr, handOverTime))
	t.Logf("handed over in %v", time.Since(began))
	counter, err := p.replica.Client().Get(ctx, "counter").Int64()
	if err != nil || counter < acknowledged.Load() {
		t.Errorf("the new master has %d of %d acknowledged writes, %v", counter, acknowledged.Load(), err)
	}
}

// Who is interrupted while the replica catches up leaves no failover behind.
func TestInterruptedHandOver(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.replica.Pause()
	defer p.replica.Continue()
	must(t, p.client.Set(t.Context(), "not", "acknowledged", 0).Err())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := p.store.HandOver(ctx, p.replica.Addr, time.Minute); err == nil {
		t.Error("it is said to have come about")
	}
	if state, err := p.store.failoverState(t.Context()); err != nil || state != noFailover {
		t.Errorf("state %s, %v", state, err)
	}
	must(t, p.client.Set(t.Context(), "written", "again", 0).Err())
}
