package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/internal/host"
	"cluster-agent/vpn"
	"cluster-agent/vpn/netdev"
)

// StandBy makes this node, which may lead soon, know all nodes as peers, without
// allowed IPs, so that each of them gets an answer to a handshake. ready is called as
// soon as they may try. When ctx ends, all is as before. Nothing else changes this
// machine's VPN meanwhile.
func (m *Machine) StandBy(ctx context.Context, ready func() error) error {
	return m.withRecords(ctx, func(records vpn.Cluster) error {
		records.StandsBy = true
		return m.aside(ctx, records, func([]vpn.Warning) error {
			if err := ready(); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		})
	})
}

// Meeting is a handshake with a node that may lead.
type Meeting struct {
	Endpoint netip.AddrPort // where it answered
	Took     time.Duration
}

// Meet has a handshake with a node at an endpoint, host:port, over a peer without
// allowed IPs, and then forgets it: nothing else takes another way. It tries until ctx
// ends. The node has to stand by.
func (m *Machine) Meet(ctx context.Context, id int, endpoint string) (Meeting, error) {
	var meeting Meeting
	err := m.withRecords(ctx, func(records vpn.Cluster) error {
		key, err := prospect(&records, id, endpoint)
		if err != nil {
			return err
		}
		return m.aside(ctx, records, func(warnings []vpn.Warning) error {
			meeting, err = shakeHands(ctx, key)
			if err != nil && !meeting.Endpoint.IsValid() {
				err = errors.Join(aboutNode(warnings, id), err)
			}
			return err
		})
	})
	if err != nil {
		return meeting, fmt.Errorf("meet node %d at %s: %w", id, endpoint, err)
	}
	return meeting, nil
}

// withRecords runs work on the records while nothing else changes this machine's VPN.
func (m *Machine) withRecords(ctx context.Context, work func(vpn.Cluster) error) error {
	return m.locked(ctx, func(s *session) error {
		records, _, err := s.records(ctx)
		if err != nil {
			return err
		}
		return work(records)
	})
}

// aside runs work with the peers that stand by, and takes them away again.
func (m *Machine) aside(ctx context.Context, records vpn.Cluster, work func([]vpn.Warning) error) error {
	return m.withReconciler(given(records), func(r *vpn.Reconciler) error {
		remove, warnings, err := r.Standby(ctx)
		if err == nil {
			err = work(warnings)
		}
		backErr := r.Device.Apply(context.WithoutCancel(ctx), remove)
		if backErr != nil {
			backErr = fmt.Errorf("take away the peers that stood by: %w", backErr)
		}
		return errors.Join(err, backErr)
	})
}

// prospect makes a node a peer that stands by, at an endpoint.
func prospect(records *vpn.Cluster, id int, endpoint string) (key wgtypes.Key, err error) {
	if _, err := vpn.ParseEndpoint(endpoint); err != nil {
		return key, err
	}
	for i := range records.Nodes {
		node := &records.Nodes[i]
		if node.ID != id || id == records.Self || id == records.Leader {
			continue
		}
		node.Endpoint = endpoint
		records.Standby = []int{id}
		return node.PublicKey, nil
	}
	return key, ErrNoSuchNode
}

// shakeHands waits for a handshake with a peer. Nodes that stand by have had one all the
// time.
func shakeHands(ctx context.Context, key wgtypes.Key) (meeting Meeting, err error) {
	device, err := netdev.Open(host.WireGuardInterface)
	if err != nil {
		return meeting, fmt.Errorf("open %s: %w", host.WireGuardInterface, err)
	}
	defer func() { err = errors.Join(err, device.Close()) }()
	began := time.Now()
	waitErr := vpn.WaitHandshake(ctx, device, key, began.Add(-vpn.HandshakeFresh))
	state, err := device.State(context.WithoutCancel(ctx))
	if peer, found := state.Peer(key); found {
		meeting = Meeting{Endpoint: peer.Endpoint, Took: time.Since(began)}
	}
	return meeting, errors.Join(waitErr, err)
}

// aboutNode is what is wrong with the record of a node; nil if nothing is.
func aboutNode(warnings []vpn.Warning, id int) error {
	var found []error
	for _, warning := range warnings {
		if warning.Node == id {
			found = append(found, errors.New(warning.Text))
		}
	}
	return errors.Join(found...)
}
