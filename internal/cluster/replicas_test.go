package cluster

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"cluster-agent/internal/redistest"
	"cluster-agent/vpn"
)

func TestReplicaLinks(t *testing.T) {
	t.Parallel()
	got := ReplicaLinks(map[string]string{
		"role": "master", "connected_slaves": "6",
		"slave0": "ip=10.5.4.2,port=6379,state=online,offset=98,lag=0",
		"slave1": "ip=10.5.4.4,port=6379,state=online,offset=9,lag=60",
		"slave2": "ip=node5,port=6379,state=online,offset=9,lag=0",
		"slave3": "rubbish",
		"slave4": "ip=fd00::6,port=6379,state=online,offset=many,lag=-1",
		"slave5": "ip=10.5.4.7,port=6379,state=wait_bgsave,offset=0,lag=0",
	})
	want := []vpn.ReplicaLink{
		{Address: netip.MustParseAddr("10.5.4.2"), Online: true, Offset: 98},
		{Address: netip.MustParseAddr("10.5.4.4"), Online: true, Offset: 9, Silence: time.Minute},
		{Address: netip.MustParseAddr("fd00::6"), Online: true},
		{Address: netip.MustParseAddr("10.5.4.7")},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestFollowers(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	got, err := p.store.Followers(t.Context())
	if err != nil || !slices.Equal(got, []netip.Addr{p.replica.Addr}) {
		t.Errorf("followers %v, %v", got, err)
	}
	if got, err = NewStore(p.replica.Client()).Followers(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("followers of the replica %v, %v", got, err)
	}
	// One that gets all data anew is connected, and not in sync.
	must(t, p.client.ConfigSet(t.Context(), "repl-diskless-sync-delay", "3600").Err())
	copies := NewStore(redistest.Start(t).Client())
	must(t, copies.Login(t.Context(), "cluster", redistest.Password))
	must(t, copies.Follow(t.Context(), p.master.Addr))
	p.master.Eventually("have another replica", func() bool {
		got, err = p.store.Followers(t.Context())
		return err == nil && len(got) == 2
	})
	if got, err = p.store.InSync(t.Context()); err != nil || !slices.Equal(got, []netip.Addr{p.replica.Addr}) {
		t.Errorf("in sync: %v, %v", got, err)
	}
	must(t, copies.Lead(t.Context()))
	p.replica.Kill()
	p.master.Eventually("lose its replicas", func() bool {
		got, err = p.store.Followers(t.Context())
		return err == nil && len(got) == 0
	})
}

func TestReplicaInSync(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	inSync := func() {
		t.Helper()
		lag, err := p.store.ReplicaInSync(t.Context(), p.replica.Addr)
		if err != nil || !lag.Online || lag.Bytes > maxBehind || lag.Silence > maxLag*time.Second {
			t.Errorf("in sync: %+v, %v", lag, err)
		}
	}
	inSync()

	// One that hangs falls behind, and is told by how much.
	p.replica.Pause()
	must(t, p.client.Set(t.Context(), "large", strings.Repeat("x", 2*maxBehind), 0).Err())
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := p.store.ReplicaInSync(ctx, p.replica.Addr)
	if err == nil || !strings.Contains(err.Error(), p.replica.Addr.String()+" is ") || !strings.Contains(err.Error(), "bytes behind, and acknowledged last ") {
		t.Errorf("a replica that hangs: %v", err)
	}
	p.replica.Continue()
	inSync()

	for name, store := range map[string]*Store{"unknown": p.store, "not a master": NewStore(p.replica.Client())} {
		if _, err := store.ReplicaInSync(t.Context(), p.master.Addr); err == nil || !strings.Contains(err.Error(), "no replica at") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseLag(t *testing.T) {
	t.Parallel()
	fields := map[string]string{
		"role": "master", "master_repl_offset": "1000", "connected_slaves": "5",
		"slave0": "ip=10.5.4.2,port=6379,state=online,offset=990,lag=1",
		"slave1": "ip=10.5.4.3,port=6379,state=wait_bgsave,offset=0,lag=0",
		"slave2": "ip=10.5.4.4,port=6379,state=online,offset=9,lag=60", // gone without a word, and back
		"slave3": "ip=10.5.4.4,port=6379,state=online,offset=1000,lag=0",
		"slave4": "rubbish",
	}
	for address, want := range map[string]Lag{
		"10.5.4.2": {Bytes: 10, Silence: time.Second, Online: true},
		"10.5.4.3": {Bytes: 1000},
		"10.5.4.4": {Online: true},
	} {
		if got, found := parseLag(fields, netip.MustParseAddr(address)); !found || got != want {
			t.Errorf("%s: %+v, %v", address, got, found)
		}
	}
	if got, found := parseLag(fields, netip.MustParseAddr("10.5.4.5")); found {
		t.Errorf("a replica that is not there: %+v", got)
	}
	for lag, ready := range map[Lag]bool{
		{Online: true}: true, {}: false, {Online: true, Bytes: maxBehind + 1}: false,
		{Online: true, Silence: (maxLag + 1) * time.Second}: false,
	} {
		if lag.inSync() != ready {
			t.Errorf("%+v: in sync %v", lag, !ready)
		}
	}
}

// While writes are paused nothing can be asked of the replicas, and nobody waits for that.
func TestAcknowledgedWhilePaused(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	must(t, p.store.PauseWrites(t.Context(), time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := p.store.Acknowledged(ctx, 1, 50*time.Millisecond); err == nil || ctx.Err() != nil {
		t.Errorf("error %v, %v", err, ctx.Err())
	}
	must(t, p.store.ResumeWrites(t.Context()))
	if answers, err := p.store.Acknowledged(t.Context(), 1, 20*time.Second); err != nil || answers != 1 {
		t.Errorf("%d answers, %v", answers, err)
	}
}
