package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/redistest"
	"cluster-agent/internal/wait"
	"cluster-agent/vpn"
)

// kept is a machine that a keeper keeps, in the time of a synctest bubble.
type kept struct {
	mu       sync.Mutex
	role     cluster.Role
	recorded int  // the leader by the records
	away     bool // Redis does not answer
	warnings []vpn.Warning
	failure  error
	takes    time.Duration // how long settling takes
	report   vpn.Report

	settled, switches, hurries int
	moved                      func()      // the host's network has changed
	lost                       func(error) // it cannot be watched
	log                        strings.Builder
}

// Watch hands out the ways to tell of changes.
func (k *kept) Watch(ctx context.Context, changed func(), failed func(error)) {
	k.set(func(k *kept) { k.moved, k.lost = changed, failed })
	<-ctx.Done()
}

func (k *kept) hurry() { k.set(func(k *kept) { k.hurries++ }) }

// keeper keeps k.
func (k *kept) keeper() *Keeper {
	log := logrus.New()
	log.SetOutput(&k.log)
	return &Keeper{
		settle: k.Settle, situation: k.situation, watch: k.Watch, hurry: k.hurry, leaderChanged: k.leaderChanged,
		log: logrus.NewEntry(log), nudged: make(chan struct{}, 1), moved: make(chan struct{}, 1),
	}
}

func (k *kept) situation(context.Context) (situation, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		return situation{}, errors.New("connection refused")
	}
	return situation{
		known: true, leader: k.role.Source, linkUp: k.role.LinkUp, copying: k.role.Copying, recorded: k.recorded,
	}, nil
}

func (k *kept) Settle(ctx context.Context) (vpn.Report, error) {
	var takes time.Duration
	k.set(func(k *kept) { k.settled++; takes = k.takes })
	if !wait.For(ctx, takes) { // nobody may wait for a mutex meanwhile
		return vpn.Report{}, ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	report := k.report
	report.Warnings = k.warnings
	return report, k.failure
}

func (k *kept) leaderChanged() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.switches++
}

func (k *kept) set(change func(*kept)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(k)
}

// keep runs a keeper of k until the test ends.
func keep(t *testing.T, k *kept) *Keeper {
	t.Helper()
	keeper := k.keeper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { keeper.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return keeper
}

// count is how often k has been settled.
func (k *kept) count() int {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.settled
}

// after lets time pass and compares what has happened since the beginning.
func (k *kept) after(t *testing.T, d time.Duration, settled, switches int) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.settled != settled || k.switches != switches {
		t.Fatalf("settled %d times, %d changes of the leader; want %d and %d", k.settled, k.switches, settled, switches)
	}
}

func replicaOf(address string) cluster.Role { return cluster.Role{Source: address, LinkUp: true} }

func TestKeeper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{role: replicaOf("10.5.4.1:6379")}
		keeper := keep(t, k)
		k.after(t, 0, 1, 0) // at start
		k.after(t, settleInterval-time.Second, 1, 0)
		k.after(t, 2*time.Second, 2, 0) // from time to time
		keeper.Nudge()
		k.after(t, 0, 3, 0) // when told to
		k.after(t, 5*time.Second, 3, 0)
		k.set(func(k *kept) { k.role = replicaOf("10.5.4.3:6379") })
		k.after(t, roleInterval, 4, 1) // another master
		k.set(func(k *kept) { k.role = cluster.Role{Master: true} })
		k.after(t, roleInterval, 5, 2) // another role
		k.set(func(k *kept) { k.role = cluster.Role{Master: true, Replicas: []cluster.Replica{{Host: "10.5.4.2"}}} })
		k.after(t, roleInterval, 5, 2) // who is connected to it is no news
		k.set(func(k *kept) { k.role = replicaOf("10.5.4.3:6379") })
		k.after(t, roleInterval, 6, 3)
		k.set(func(k *kept) { k.recorded = 2 })
		k.after(t, roleInterval, 7, 3) // another leader by the records
		k.set(func(k *kept) { k.role.LinkUp = false })
		k.after(t, roleInterval, 8, 3) // the master is the same
		k.set(func(k *kept) { k.role.LinkUp = true })
		k.after(t, roleInterval, 9, 3) // events may have been missed
	})
}

// A replica that is not in sync is waited for before the first run, but not for ever.
func TestKeeperWaitsForSync(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		role  cluster.Role
		waits time.Duration
	}{
		"cut off": {cluster.Role{Source: "10.5.4.1:6379"}, cutOffTime},
		"copying": {cluster.Role{Source: "10.5.4.1:6379", Copying: true}, copyingTime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				k := &kept{role: c.role}
				keeper := keep(t, k)
				keeper.Nudge()
				k.after(t, c.waits-time.Millisecond, 0, 0)
				k.after(t, roleInterval, 1, 0)
			})
			synctest.Test(t, func(t *testing.T) {
				k := &kept{role: c.role}
				keep(t, k)
				k.after(t, 2*time.Second, 0, 0)
				k.set(func(k *kept) { k.role = replicaOf("10.5.4.1:6379") })
				k.after(t, roleInterval, 1, 0)
			})
		})
	}
}

func TestKeeperSeesTheHostsNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{role: replicaOf("10.5.4.1:6379")}
		keep(t, k)
		k.after(t, 100*time.Millisecond, 1, 0)
		k.moved()
		k.after(t, 0, 2, 0)
		k.lost(errors.New("no buffer space")) // what happened meanwhile is not known
		k.after(t, 0, 3, 0)
		k.lost(errors.New("no buffer space"))
		k.after(t, 0, 4, 0)
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.hurries != 3 || k.said("no buffer space") != 1 {
			t.Errorf("%d times in a hurry, log:\n%s", k.hurries, k.log.String())
		}
	})
}

// Somebody takes back at once what each run does: the runs become rare.
func TestKeeperGivesWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{role: replicaOf("10.5.4.1:6379"), report: vpn.Report{Saved: true}}
		keep(t, k)
		k.after(t, 0, 1, 0)
		for range 1000 {
			k.moved()
			time.Sleep(300 * time.Millisecond)
		}
		if settled := k.count(); settled < 10 || settled > 20 {
			t.Errorf("settled %d times in five minutes", settled)
		}
		k.set(func(k *kept) { k.report.Saved = false })
		time.Sleep(settleInterval)
		settled := k.count()
		k.moved()
		k.after(t, 0, settled+1, 0)
	})
}

// A run tells when the next one is due.
func TestKeeperLooksAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{role: replicaOf("10.5.4.1:6379"), report: vpn.Report{Again: time.Now().Add(7 * time.Second)}}
		keep(t, k)
		k.after(t, 6*time.Second, 1, 0)
		k.set(func(k *kept) { k.report.Again = time.Time{} })
		k.after(t, 2*time.Second, 2, 0)
		k.after(t, settleInterval-2*time.Second, 2, 0)
		k.set(func(k *kept) { k.report.Again = time.Now().Add(-time.Hour) })
		k.after(t, 1500*time.Millisecond, 3, 0)
		k.after(t, 10*time.Second, 13, 0) // not more often, whatever a run says
	})
}

// A Redis that loads its data is asked again, and nobody is told.
func TestKeeperWaitsForLoading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{role: replicaOf("10.5.4.1:6379"), failure: fmt.Errorf("read: %w", loadingError{})}
		keep(t, k)
		k.after(t, 3*time.Second+100*time.Millisecond, 4, 0)
		k.set(func(k *kept) { k.failure = nil })
		k.after(t, settleInterval, 5, 0)
		if k.log.Len() != 0 {
			t.Errorf("log:\n%s", k.log.String())
		}
	})
}

// loadingError is what Redis replies while it reads its data.
type loadingError struct{}

func (loadingError) Error() string { return "LOADING Redis is loading the dataset in memory" }
func (loadingError) RedisError()   {}

func TestKeeperRedisAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{role: replicaOf("10.5.4.1:6379"), away: true}
		keeper := keep(t, k)
		k.after(t, 2*settleInterval, 0, 0) // nothing is known, nothing is done
		keeper.Nudge()
		k.after(t, time.Second, 0, 0)
		k.set(func(k *kept) { k.away = false })
		k.after(t, roleInterval, 1, 0)
		k.set(func(k *kept) { k.away = true })
		k.after(t, 10*time.Second, 1, 0)
		k.set(func(k *kept) { k.away = false })
		k.after(t, roleInterval, 2, 0) // it has come back as it was
		k.set(func(k *kept) { k.away = true })
		k.after(t, 10*time.Second, 2, 0)
		k.set(func(k *kept) { k.away, k.role = false, replicaOf("10.5.4.3:6379") })
		k.after(t, roleInterval, 3, 1) // it has come back with another master
	})
}

// said counts the lines of the log that hold a text.
func (k *kept) said(text string) int { return strings.Count(k.log.String(), text) }

func TestKeeperSaysAProblemOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{
			role: replicaOf("10.5.4.1:6379"), failure: errors.New("no route"),
			warnings: []vpn.Warning{{Node: 3, Text: "bad port"}},
		}
		keep(t, k)
		k.after(t, 3*settleInterval+time.Second, 4, 0)
		if n := k.said("no route"); n != 1 || k.said("node 3: bad port") != 1 {
			t.Errorf("said %d times:\n%s", n, k.log.String())
		}
		k.set(func(k *kept) { k.failure = errors.New("no interface") })
		k.after(t, settleInterval, 5, 0)
		if k.said("no interface") != 1 || k.said("bad port") != 2 {
			t.Errorf("another problem:\n%s", k.log.String())
		}
		k.set(func(k *kept) { k.failure, k.warnings = nil, nil })
		k.after(t, settleInterval, 6, 0)
		k.set(func(k *kept) { k.failure = errors.New("no route") })
		k.after(t, settleInterval, 7, 0)
		if k.said("no route") != 2 {
			t.Errorf("a problem that has come back:\n%s", k.log.String())
		}
	})
}

// TestKeeperSaysThatItTookTooLong: a run that never comes to an end is a problem, too.
func TestKeeperSaysThatItTookTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{role: replicaOf("10.5.4.1:6379"), takes: time.Hour}
		keep(t, k)
		k.after(t, settleTime+time.Second, 1, 0)
		if k.said("deadline exceeded") == 0 {
			t.Errorf("log:\n%s", k.log.String())
		}
	})
}

// TestKeeperEndsQuietly: being stopped is no problem of the node.
func TestKeeperEndsQuietly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{role: replicaOf("10.5.4.1:6379"), takes: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		k.keeper().Run(ctx)
		if k.log.Len() != 0 {
			t.Errorf("log:\n%s", k.log.String())
		}
	})
}

// TestKeeperOfAMachine: a node without a cluster is left alone.
func TestKeeperOfAMachine(t *testing.T) {
	t.Parallel()
	m, server, manager := newMachine(t, 1)
	before := read(t, m.Files.HostsFile())
	role, err := m.Role(t.Context())
	must(t, err)
	if !role.Master {
		t.Errorf("role %+v", role)
	}
	report, err := m.Settle(t.Context())
	if err != nil || report.Changed() || manager.all() != "" || read(t, m.Files.HostsFile()) != before {
		t.Errorf("settled: %+v, %v, %s", report, err, manager.all())
	}
	if keeper := NewKeeper(m, func() {}); keeper.look(t.Context()) != (situation{known: true}) {
		t.Errorf("situation %+v", keeper.look(t.Context()))
	}
	server.Kill()
	if keeper := NewKeeper(m, func() {}); keeper.look(t.Context()) != (situation{}) {
		t.Errorf("situation without Redis %+v", keeper.look(t.Context()))
	}
}

// A leader looks again when it loses those who follow it: another may lead by now.
func TestKeeperCountsFollowers(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	createCluster(t, server, 1)
	worker := redistest.Start(t)
	worker.Follow(server)
	keeper := NewKeeper(m, func() {})
	for _, want := range []int{1, 0} {
		server.Eventually("know who follows", func() bool { return keeper.look(t.Context()).followers == want })
		worker.Kill()
	}
}
