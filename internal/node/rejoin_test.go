package node

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/redistest"
	"cluster-agent/vpn"
)

const invitationText = `{"node_id":3,"ip_address":"10.5.4.3","network":"10.5.4.0/24","leader_public_key":"TJ9YlZlrjEBHhQ7RlCyBZ7hm1pkcYh+DxTgLXhIAGlM=",` +
	`"leader_ip_address":"10.5.4.1","leader_endpoint":"node1.example.com:55820","leader_core_version":"1.0.0"}`

func TestParseInvitation(t *testing.T) {
	t.Parallel()
	in, err := ParseInvitation([]byte(invitationText))
	if err != nil || in.Node != 3 || in.Address != address("10.5.4.3") || in.Leader.Address != address("10.5.4.1") || in.Leader.Endpoint != "node1.example.com:55820" {
		t.Errorf("%+v, %v", in, err)
	}
	for from, to := range map[string]string{
		`:3,`:            `:0,`,
		`"10.5.4.3"`:     `"10.5.5.3"`,
		`"10.5.4.1"`:     `""`,
		`"10.5.4.0/24"`:  `"10.5.4.0"`,
		`"network"`:      `"net"`,
		`55820"`:         `"`,
		`TJ9Y`:           ``,
		invitationText:   `no JSON`,
		`"node1.example`: `"node 1.example`,
	} {
		text := strings.Replace(invitationText, from, to, 1)
		if in, err := ParseInvitation([]byte(text)); err == nil {
			t.Errorf("%s: %+v", text, in)
		}
	}
}

// A node that leads a cluster does not throw its data away.
func TestJoinOfALeader(t *testing.T) {
	t.Parallel()
	m, server, manager := newMachine(t, 1)
	in, err := ParseInvitation([]byte(invitationText))
	must(t, err)
	store := cluster.NewStore(server.Client())
	first := vpn.Node{ID: 1, PublicKey: in.Leader.PublicKey, Address: address("10.5.4.1")}
	must(t, store.Create(t.Context(), "10.5.4.0/24", first, "uuid"))
	if err = m.Join(t.Context(), in, t.Logf); !errors.Is(err, ErrLeads) || manager.all() != "" {
		t.Errorf("%v, %s", err, manager.all())
	}
}

// A first copy that does not come about leaves a Redis that takes tasks, unless it
// was a replica before.
func TestReplicateGivesUp(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	fresh, local, _ := newMachine(t, 2)
	must(t, p.redis.Do(t.Context(), "ACL", "DELUSER", "node/2").Err())
	must(t, local.Client().Set(t.Context(), "kept", "yes", 0).Err())
	for _, c := range []struct {
		m      *Machine
		redis  *redistest.Server
		master bool
	}{{fresh, local, true}, {p.Machine, p.local, false}} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := c.m.Replicate(ctx, p.leader.Addr, address("10.5.4.2"))
		cancel()
		role, roleErr := c.m.Role(t.Context())
		if err == nil || roleErr != nil || role.Master != c.master {
			t.Errorf("%v; role %+v, %v", err, role, roleErr)
		}
	}
	if got := local.Client().Get(t.Context(), "kept").Val(); got != "yes" {
		t.Errorf("what the Redis held is %q", got)
	}
}
