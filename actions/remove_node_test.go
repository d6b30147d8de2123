package actions_test

import (
	"slices"
	"strings"
	"testing"
)

// events are the channels of what a result announces.
func (m *machine) events(t *testing.T, action, data string) []string {
	t.Helper()
	result := m.run(t, action, data)
	wantCompleted(t, result)
	channels := make([]string, 0, len(result.Announcements))
	for _, event := range result.Announcements {
		channels = append(channels, event.Channel)
	}
	return channels
}

// TestRemoveNode: nothing of the node is left, and the others are told.
func TestRemoveNode(t *testing.T) {
	t.Parallel()
	m, ctx := newLeader(t), t.Context()
	wantCompleted(t, m.run(t, "add-node", encode(t, newRequest(t))))
	wantCompleted(t, m.run(t, "add-node", encode(t, newRequest(t))))
	must(t, m.client.LPush(ctx, "node/2/tasks", "left behind").Err())
	must(t, m.client.HSet(ctx, "node/22/vpn", "endpoint", "").Err())

	announced := m.events(t, "remove-node", `{"node_id":2}`)
	if !slices.Equal(announced, []string{"cluster/event/vpn-changed", "cluster/event/acl-changed"}) {
		t.Errorf("announced %v", announced)
	}
	for _, key := range m.keys(t) {
		if strings.HasPrefix(key, "node/2/") {
			t.Errorf("%s is left", key)
		}
	}
	if m.client.Exists(ctx, "node/3/vpn", "node/22/vpn").Val() != 2 {
		t.Error("another node is gone, too")
	}
	users := m.client.Do(ctx, "ACL", "LIST").String() + strings.Join(m.client.SMembers(ctx, "cluster/acls").Val(), "\n")
	if strings.Contains(users, "user node/2 ") || !strings.Contains(users, "user node/3 ") {
		t.Errorf("users are\n%s", users)
	}
}

// TestRemoveNodeGoesOn: what an interrupted removal has left goes when it is
// asked for again.
func TestRemoveNodeGoesOn(t *testing.T) {
	t.Parallel()
	for name, left := range map[string][]any{
		"the record": {"DEL", "node/2/flags"},
		"the user":   {"DEL", "node/2/vpn", "node/2/flags"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newLeader(t)
			wantCompleted(t, m.run(t, "add-node", encode(t, newRequest(t))))
			must(t, m.client.Do(t.Context(), left...).Err())
			wantCompleted(t, m.run(t, "remove-node", `{"node_id":2}`))
			wantInvalid(t, m.run(t, "remove-node", `{"node_id":2}`), verdict{5, "node_id", "node_not_found", 2})
		})
	}
}

// TestRejoin is hazard 15: after remove-node the same machine can join again,
// with the same key, and gets a number of its own.
func TestRejoin(t *testing.T) {
	t.Parallel()
	m, in := newLeader(t), newRequest(t)
	wantCompleted(t, m.run(t, "add-node", encode(t, in)))
	wantCompleted(t, m.run(t, "remove-node", `{"node_id":2}`))
	if output := wantCompleted(t, m.run(t, "add-node", encode(t, in))); output["node_id"] != 3.0 {
		t.Errorf("node id %v", output["node_id"])
	}
}

func TestRemoveNodeErrors(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	wantInvalid(t, m.run(t, "remove-node", `{"node_id":1}`), verdict{3, "node_id", "node_is_leader", 1})
	wantInvalid(t, m.run(t, "remove-node", `{"node_id":7}`), verdict{5, "node_id", "node_not_found", 7})
}
