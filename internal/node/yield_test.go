package node

import (
	"testing"
	"time"

	"cluster-agent/internal/redistest"
)

// A leader whom few nodes follow takes no writes before it has asked those who may lead, if
// that may have happened while its agent was not there. The agent that was there before the
// cluster was knows that nobody led before this node.
func TestWhoTakesNoWrites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		before bool // the agent was there before the cluster
	}{
		{"a leader that has come back", false},
		{"the first leader of a cluster", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, server, _ := newMachine(t, 1)
			m.LeaderSilence = time.Minute
			if c.before {
				_, err := m.Settle(t.Context())
				must(t, err)
			}
			createCluster(t, server, 1)
			record(t, server, 1, address("10.5.4.1"), "192.0.2.1:55820")
			record(t, server, 2, address("10.5.4.2"), "192.0.2.2:55820")
			err := m.with(func(s *session) error {
				_, err := m.giveWay(t.Context(), s)
				return err
			})
			must(t, err)
			if held := !c.before; m.vigil.holding != held {
				t.Errorf("writes are held back: %t, want %t", m.vigil.holding, held)
			}
		})
	}
}

// A Redis that follows this one, and is no node's, does not keep it from being alone.
func TestStrangersHaveNoSay(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	createCluster(t, server, 1)
	record(t, server, 1, server.Addr, "192.0.2.1:55820")
	node, stranger := redistest.Start(t), redistest.Start(t)
	record(t, server, 2, node.Addr, "192.0.2.2:55820")
	stranger.Follow(server)
	for _, alone := range []bool{true, false} {
		must(t, m.with(func(s *session) error {
			records, _, err := s.snapshot(t.Context())
			must(t, err)
			byInfo, err := isAlone(t.Context(), s, records)
			must(t, err)
			byAnswer, err := isForsaken(t.Context(), s, records)
			if byInfo != alone || byAnswer != alone {
				t.Errorf("alone: %t, by the answers of replicas %t, want %t", byInfo, byAnswer, alone)
			}
			return err
		}))
		if alone {
			node.Follow(server)
		}
	}
}

// With nobody to ask there is no question, the answer to which would call for another run.
func TestNobodyIsAsked(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	createCluster(t, server, 1)
	record(t, server, 1, server.Addr, "192.0.2.1:55820")
	m.turned = func() { t.Error("another run is called for") }
	must(t, m.with(func(s *session) error {
		_, err := m.giveWay(t.Context(), s)
		return err
	}))
	m.asking.Wait()
}
