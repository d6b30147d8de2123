package vpn_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"cluster-agent/vpn"
)

// keyring is the memory of a node.
type keyring struct {
	keys    vpn.Keys // nil: nothing was ever remembered
	wanted  []vpn.Keys
	failure error
}

func (k *keyring) attach(b *bench) {
	b.Known = func(context.Context) (vpn.Keys, error) { return k.keys, nil }
	b.Remember = func(_ context.Context, wanted vpn.Keys) error {
		k.wanted = append(k.wanted, wanted)
		return k.failure
	}
}

// A host that another tool has set up: peers 3 and 5 were nodes, 9 is an
// administrator's, 7 has an address that no node ever had.
func otherToolsHost() vpn.State {
	s := hostOf(1)
	s.Peers = []vpn.Peer{
		peer(2, "10.5.4.2"), peer(3, "10.5.4.3", "192.168.3.10"), peer(5, "192.168.5.10", "10.5.4.5"),
		peer(7, "10.5.4.7"), peer(9, "172.16.0.2", "10.5.4.0/24"),
	}
	return s
}

func TestAdoptFormerNodes(t *testing.T) {
	t.Parallel()
	b := newBench(t, hub(node(2, ""), node(4, "")), otherToolsHost(), "[Interface]\nPrivateKey = LAPTOP\n")
	b.cluster.LastID = 6
	new(keyring).attach(b)
	report := b.apply(t)
	for _, want := range []string{"peer remove key3", "peer remove key5", "peer add node 4"} {
		if !strings.Contains(readable(report.Plan.String()), want) {
			t.Errorf("%s is not in\n%s", want, readable(report.Plan.String()))
		}
	}
	s, err := b.sim.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n, there := range map[int]bool{2: true, 3: false, 4: true, 5: false, 7: true, 9: true} {
		if _, ok := s.Peer(key(n)); ok != there {
			t.Errorf("peer %d is there: %v", n, ok)
		}
	}
}

// A first run that is cut off has told the next one whose the peers are.
func TestAdoptFormerNodesLater(t *testing.T) {
	t.Parallel()
	b := newBench(t, hub(node(2, "")), otherToolsHost(), "[Interface]\nPrivateKey = LAPTOP\n")
	b.cluster.LastID = 6
	memory := new(keyring)
	memory.attach(b)
	b.sim.Refuse = func(string) error { return errors.New("switched off") }
	if _, err := b.Apply(t.Context()); err == nil {
		t.Error("no error")
	}
	b.sim.Refuse, memory.keys = nil, memory.wanted[0]
	plan := readable(b.apply(t).Plan.String())
	for _, want := range []string{"peer remove key3", "peer remove key5"} {
		if !strings.Contains(plan, want) {
			t.Errorf("%s is not in\n%s", want, plan)
		}
	}
	if memory.keys.Has(key(7)) || memory.keys.Has(key(9)) {
		t.Errorf("remembered %v", memory.keys)
	}
}

// A node that remembers its peers needs no guess: the same host, later.
func TestNoAdoptionLater(t *testing.T) {
	t.Parallel()
	b := newBench(t, hub(node(2, "")), otherToolsHost(), "[Interface]\nPrivateKey = LAPTOP\n")
	b.cluster.LastID = 6
	(&keyring{keys: vpn.NewKeys(key(5))}).attach(b)
	report := b.apply(t)
	if text := readable(report.Plan.String()); strings.Contains(text, "remove key3") || !strings.Contains(text, "remove key5") {
		t.Errorf("plan\n%s", text)
	}
}

// Hazard 5: a removed node's peer goes also if the file that named it is lost; it
// is remembered before it comes.
func TestRememberPeers(t *testing.T) {
	t.Parallel()
	b := newBench(t, hubOfThree(), hostOf(1), hubConf)
	memory := &keyring{failure: errors.New("disk on fire")}
	memory.attach(b)
	b.sim.Refuse = func(change string) error {
		if len(memory.wanted) == 0 && strings.HasPrefix(change, "peer add") {
			t.Errorf("not remembered: %s", change)
		}
		return nil
	}
	if _, err := b.Apply(t.Context()); err == nil || err.Error() != "remember the keys of nodes: disk on fire" {
		t.Errorf("error %v", err)
	}
	wanted := memory.wanted[0]
	if len(wanted) != 2 || !wanted.Has(key(2)) || !wanted.Has(key(3)) {
		t.Errorf("remembered %v", wanted)
	}
	memory.keys, memory.failure = wanted, nil
	b.ConfPath += ".lost"
	b.cluster.Nodes = slices.Delete(b.cluster.Nodes, 2, 3)
	if plan := readable(b.apply(t).Plan.String()); plan != "route remove 10.5.4.3\npeer remove key3" {
		t.Errorf("plan\n%s", plan)
	}
}
