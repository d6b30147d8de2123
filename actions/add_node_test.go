package actions_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/internal/redistest"
)

// request is the input of add-node.
type request struct {
	PasswordHash string   `json:"node_pwh"`
	PublicKey    string   `json:"public_key"`
	Endpoint     string   `json:"endpoint"`
	CoreVersion  string   `json:"core_version,omitempty"`
	Flags        []string `json:"flags,omitempty"`
}

func newRequest(t *testing.T) request {
	t.Helper()
	key, err := wgtypes.GeneratePrivateKey()
	must(t, err)
	return request{PasswordHash: redistest.PasswordHash(), PublicKey: key.PublicKey().String()}
}

// newLeader is the first node of a cluster.
func newLeader(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t, 1)
	wantCompleted(t, m.run(t, "create-cluster", createIn(m.network.String())))
	return m
}

func TestAddNode(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	ctx := t.Context()
	in := newRequest(t)
	in.CoreVersion, in.Flags, in.Endpoint = "1.2.9", []string{"nomodules"}, "node2.example.com:55820"
	result := m.run(t, "add-node", encode(t, in))
	output := wantCompleted(t, result)
	key, err := m.Files.Keys()
	must(t, err)
	for field, want := range map[string]any{
		"node_id": 2.0, "ip_address": m.address(t, 2), "network": m.network.String(),
		"leader_public_key": key.PublicKey().String(), "leader_ip_address": m.address(t, 1),
		"leader_endpoint": "node1.example.com:55820", "leader_core_version": version,
	} {
		if output[field] != want {
			t.Errorf("%s is %v, want %v", field, output[field], want)
		}
	}
	if len(output) != 7 {
		t.Errorf("output %v", output)
	}
	record := m.client.HGetAll(ctx, "node/2/vpn").Val()
	if record["public_key"] != in.PublicKey || record["ip_address"] != m.address(t, 2) || record["endpoint"] != in.Endpoint {
		t.Errorf("record %v", record)
	}
	if flags := m.client.SMembers(ctx, "node/2/flags").Val(); !slices.Equal(flags, []string{"nomodules"}) {
		t.Errorf("flags %v", flags)
	}
	must(t, m.redis.ClientOf("node/2", redistest.Password).Ping(ctx).Err())
	shared := m.client.SMembers(ctx, "cluster/acls").Val()
	if len(shared) != 2 || !slices.ContainsFunc(shared, func(line string) bool { return strings.HasPrefix(line, "user node/2 ") }) {
		t.Errorf("shared users %v", shared)
	}
	announced := make([]string, 0, len(result.Announcements))
	for _, event := range result.Announcements {
		announced = append(announced, event.Channel)
		if !json.Valid(event.Payload) {
			t.Errorf("payload of %s: %s", event.Channel, event.Payload)
		}
	}
	if !slices.Equal(announced, []string{"cluster/event/acl-changed", "cluster/event/vpn-changed"}) {
		t.Errorf("announced %v", announced)
	}
}

// Hazard 18: Redis, which has saved nothing by itself so far, dies without warning as
// soon as add-node has answered. What the answer gave away is on its disk: the number
// is not given to a second machine, and the first one is known, with its record and
// its user.
func TestHazard18NothingSavedYet(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	for id := 2; id <= 4; id++ {
		in := newRequest(t)
		output := wantCompleted(t, m.run(t, "add-node", encode(t, in)))
		m.redis.Kill() // SIGKILL
		m.redis.Run()
		if output["node_id"] != float64(id) {
			t.Errorf("node id %v, want %d", output["node_id"], id)
		}
		name := fmt.Sprintf("node/%d", id)
		if key := m.client.HGet(t.Context(), name+"/vpn", "public_key").Val(); key != in.PublicKey {
			t.Errorf("after the crash %s has the key %q", name, key)
		}
		must(t, m.redis.ClientOf(name, redistest.Password).Ping(t.Context()).Err())
	}
}

func TestAddNodeErrors(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	first := newRequest(t)
	wantCompleted(t, m.run(t, "add-node", encode(t, first)))
	before := m.keys(t)

	same := newRequest(t)
	same.PublicKey = first.PublicKey
	must(t, m.client.HSet(t.Context(), "node/2/environment", "NODE_ID", 2).Err()) // as its agent does
	before = append(before, "node/2/environment")
	wantInvalid(t, m.run(t, "add-node", encode(t, same)), verdict{4, "public_key", "public_key_matches_existing_node", 2})
	leaders := newRequest(t)
	leaders.PublicKey = m.client.HGet(t.Context(), "node/1/vpn", "public_key").Val()
	wantInvalid(t, m.run(t, "add-node", encode(t, leaders)), verdict{4, "public_key", "public_key_matches_existing_node", 1})

	bad := newRequest(t)
	bad.PublicKey = "no key"
	wantInvalid(t, m.run(t, "add-node", encode(t, bad)), verdict{10, "public_key", "public_key_format", "no key"})
	bad = newRequest(t)
	bad.Endpoint = "node2.example.com"
	wantInvalid(t, m.run(t, "add-node", encode(t, bad)), verdict{10, "endpoint", "endpoint_format", bad.Endpoint})
	for _, other := range []string{"1.3.0", "2.2.3", "v0.2.3", "1.1.9-rc.1"} {
		bad = newRequest(t)
		bad.CoreVersion = other
		wantInvalid(t, m.run(t, "add-node", encode(t, bad)), verdict{3, "core_version", "core_version_mismatch", other})
	}
	if after := m.keys(t); len(after) != len(before) || m.client.Get(t.Context(), "cluster/node_sequence").Val() != "2" {
		t.Errorf("keys %v", after)
	}
}

// TestAddNodeAgain: a node whose join failed asks again, and gets the same place; what
// it says of itself now counts.
func TestAddNodeAgain(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	first := newRequest(t)
	first.Flags, first.Endpoint = []string{"nomodules"}, "node2.example.com:55820"
	before := wantCompleted(t, m.run(t, "add-node", encode(t, first)))
	wantCompleted(t, m.run(t, "add-node", encode(t, newRequest(t))))
	wantCompleted(t, m.run(t, "update-routes", `{"add":[{"ip_address":"192.0.2.77","node_id":2}]}`))

	again := first
	again.Flags, again.Endpoint = []string{"other"}, ""
	sum := sha256.Sum256([]byte("new"))
	again.PasswordHash = hex.EncodeToString(sum[:])
	after := wantCompleted(t, m.run(t, "add-node", encode(t, again)))
	if fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("first %v, then %v", before, after)
	}
	ctx := t.Context()
	must(t, m.redis.ClientOf("node/2", "new").Ping(ctx).Err())
	if err := m.redis.ClientOf("node/2", redistest.Password).Ping(ctx).Err(); err == nil {
		t.Error("the password before lets in")
	}
	record := m.client.HGetAll(ctx, "node/2/vpn").Val()
	if record["endpoint"] != "" || record["destinations"] != "192.0.2.77" {
		t.Errorf("record %v", record)
	}
	if flags := m.client.SMembers(ctx, "node/2/flags").Val(); !slices.Equal(flags, again.Flags) {
		t.Errorf("flags %v", flags)
	}
	if last := m.client.Get(ctx, "cluster/node_sequence").Val(); last != "3" {
		t.Errorf("last id given out is %s", last)
	}
}

func TestAddNodeVersionsThatGoTogether(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	for _, good := range []string{"", "1.2.3", "v1.2.3", "1.2.99", "1.2.3-dev.4+build", "1.2", "unstable", "1.3.0.4"} {
		in := newRequest(t)
		in.CoreVersion = good
		wantCompleted(t, m.run(t, "add-node", encode(t, in)))
	}
}

// Hazard 13: a network has room for so many nodes. The one after the last is refused
// before anything is given out: it gets neither the broadcast address nor one of the
// next network, and asking uses no number up.
func TestHazard13AddressesRunOut(t *testing.T) {
	t.Parallel()
	for bits, room := range map[int]int{24: 254, 30: 2} {
		m := newMachine(t, 1)
		network := netip.PrefixFrom(m.network.Addr(), bits).String()
		wantCompleted(t, m.run(t, "create-cluster", createIn(network)))
		must(t, m.client.Set(t.Context(), "cluster/node_sequence", room-1, 0).Err())
		if output := wantCompleted(t, m.run(t, "add-node", encode(t, newRequest(t)))); output["node_id"] != float64(room) {
			t.Errorf("the last node of %s is %v", network, output)
		}
		for range 2 {
			wantInvalid(t, m.run(t, "add-node", encode(t, newRequest(t))), verdict{5, "network", "network_full", network})
		}
		if last := m.client.Get(t.Context(), "cluster/node_sequence").Val(); last != strconv.Itoa(room) {
			t.Errorf("last id given out is %s", last)
		}
	}
}

// TestAddNodeLostSequence: ids are never used again, even if the number of the
// last one got lost.
func TestAddNodeLostSequence(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	before := m.client.HGetAll(t.Context(), "node/1/vpn").Val()
	must(t, m.client.Del(t.Context(), "cluster/node_sequence").Err())
	wantFailed(t, m.run(t, "add-node", encode(t, newRequest(t))), "cluster/node_sequence")
	after := m.client.HGetAll(t.Context(), "node/1/vpn").Val()
	if fmt.Sprint(before) != fmt.Sprint(after) || m.client.Exists(t.Context(), "cluster/node_sequence").Val() != 0 {
		t.Errorf("the leader's record was %v and is %v", before, after)
	}
	must(t, m.client.Set(t.Context(), "cluster/node_sequence", "rubbish", 0).Err())
	wantFailed(t, m.run(t, "add-node", encode(t, newRequest(t))), "cluster/node_sequence")
}

// TestAddNodeManyAtOnce: each gets an id and an address of its own.
func TestAddNodeManyAtOnce(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	const joining = 8
	var mu sync.Mutex
	addresses := map[any]bool{}
	var all sync.WaitGroup
	for range joining {
		data := encode(t, newRequest(t))
		all.Go(func() {
			result := m.run(t, "add-node", data)
			var output map[string]any
			if err := json.Unmarshal(result.Output, &output); err != nil {
				t.Errorf("%s: %v", result.Error, err)
			}
			mu.Lock()
			defer mu.Unlock()
			addresses[output["ip_address"]] = true
		})
	}
	all.Wait()
	if len(addresses) != joining || m.client.Get(t.Context(), "cluster/node_sequence").Val() != strconv.Itoa(joining+1) {
		t.Errorf("addresses %v", addresses)
	}
}

func TestAddNodeWithoutACluster(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 1)
	wantFailed(t, m.run(t, "add-node", encode(t, newRequest(t))), "run create-cluster first")
	wantNoCluster(t, m)
}

// TestAddNodeOnAWorker: its Redis takes no writes, and nothing is announced.
func TestAddNodeOnAWorker(t *testing.T) {
	t.Parallel()
	leader, m := newLeader(t), newMachine(t, 2)
	m.redis.Follow(leader.redis)
	result := m.run(t, "add-node", encode(t, newRequest(t)))
	wantFailed(t, result, "READONLY")
	if len(result.Announcements) != 0 {
		t.Errorf("announced %v", result.Announcements)
	}
}
