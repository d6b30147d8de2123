package setnodeendpoint

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
	"cluster-agent/worker"
)

// lookupTime bounds the look-up of a name.
const lookupTime = 5 * time.Second

// endpoint refuses what nobody could send packets to: bad form, a name without
// an address, an address inside the VPN itself.
func (s steps) endpoint(ctx context.Context, c *worker.Call) error {
	text := c.Get("endpoint").String()
	if text == "" {
		return nil
	}
	endpoint, err := vpn.ParseEndpoint(text)
	if err != nil {
		return c.Invalid(worker.ExitInvalid, "endpoint", text, "endpoint_format", err)
	}
	var network netip.Prefix
	err = s.machine.Redis(func(store *cluster.Store) error {
		network, err = store.Network(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.resolve(ctx, endpoint, network); err != nil {
		return c.Invalid(4, "endpoint", text, "endpoint_not_resolvable", err)
	}
	return nil
}

func (s steps) resolve(ctx context.Context, endpoint vpn.Endpoint, network netip.Prefix) error {
	addresses := []netip.Addr{endpoint.Addr}
	if !endpoint.Addr.IsValid() {
		looking, cancel := context.WithTimeout(ctx, lookupTime)
		defer cancel()
		var err error
		if addresses, err = s.machine.Resolver.LookupNetIP(looking, "ip", endpoint.Host); err != nil {
			return fmt.Errorf("look up %s: %w", endpoint.Host, err)
		}
	}
	inside := func(address netip.Addr) bool { return network.Contains(address.Unmap()) }
	if len(slices.DeleteFunc(addresses, inside)) == 0 {
		return errors.New("its address is inside the VPN, which cannot carry itself: give the address that the other nodes reach from outside")
	}
	return nil
}
