package cluster

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"
)

func list(items ...any) []any { return items }

func TestParseRole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		reply []any
		want  Role
	}{
		{"master alone", list("master", int64(0), list()), Role{Master: true}},
		{
			"master with replicas", list("master", int64(99), list(
				list("10.5.4.2", "6379", "98"), list("10.5.4.3", "6380", "-1"))),
			Role{Master: true, Offset: 99, Replicas: []Replica{{"10.5.4.2", 6379, 98}, {"10.5.4.3", 6380, -1}}},
		},
		{"replica", list("slave", "10.5.4.1", int64(6379), "connected", int64(99)), Role{Source: "10.5.4.1:6379", LinkUp: true}},
		{"replica of an IPv6 address", list("slave", "fd00::1", int64(6379), "sync", int64(0)), Role{Source: "[fd00::1]:6379", Copying: true}},
		{"replica on its way", list("slave", "10.5.4.1", int64(6379), "handshake", int64(-1)), Role{Source: "10.5.4.1:6379"}},
	} {
		got, err := parseRole(c.reply)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
}

func TestParseRoleMalformed(t *testing.T) {
	t.Parallel()
	for _, reply := range [][]any{
		nil,
		list(),
		list("master"),
		list("master", int64(0)),
		list("master", int64(0), "no list"),
		list("master", "no number", list()),
		list("master", int64(0), list("no list")),
		list("master", int64(0), list(list("10.5.4.2", "6379"))),
		list("master", int64(0), list(list("10.5.4.2", "port", "0"))),
		list("master", int64(0), list(list("10.5.4.2", "6379", "offset"))),
		list("slave", "10.5.4.1", int64(6379)),
		list("sentinel", list("mymaster"), list()),
		list(int64(1), int64(2), int64(3), int64(4)),
	} {
		if got, err := parseRole(reply); err == nil {
			t.Errorf("%v: got %+v and no error", reply, got)
		}
	}
}

func TestRoleOfRealServers(t *testing.T) {
	t.Parallel()
	store, _, master := newStore(t)
	replica := startRedis(t)
	replica.Follow(master)

	role, err := store.Role(t.Context())
	must(t, err)
	if !role.Master || len(role.Replicas) != 1 || role.Replicas[0].Host != replica.Addr.String() || role.Replicas[0].Port != RedisPort {
		t.Errorf("role of the master: %+v", role)
	}
	if _, err = store.ReplicaInSync(t.Context(), replica.Addr); err != nil {
		t.Error(err)
	}
	if _, err = store.ReplicaInSync(t.Context(), master.Addr); err == nil {
		t.Error("the master is a replica of itself")
	}

	role, err = NewStore(replica.Client()).Role(t.Context())
	must(t, err)
	if role.Master || role.Source != master.Address() || !role.LinkUp {
		t.Errorf("role of the replica: %+v", role)
	}
}

func TestWaitRole(t *testing.T) {
	t.Parallel()
	store, _, server := newStore(t)
	isMaster := func(role Role) bool { return role.Master }
	must(t, store.WaitRole(t.Context(), isMaster))

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := store.WaitRole(ctx, func(role Role) bool { return !role.Master }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a role that does not come: %v", err)
	}

	// One that is away for a while is waited for.
	server.Kill()
	done := make(chan error, 1)
	asked := make(chan struct{}, 1)
	go func() {
		asked <- struct{}{}
		done <- store.WaitRole(t.Context(), isMaster)
	}()
	<-asked
	server.Run()
	must(t, <-done)
}
