package netdev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cluster-agent/vpn"
)

// Apply makes the changes of the plan in its order.
func (d *Device) Apply(ctx context.Context, plan vpn.Plan) error {
	if plan.Empty() {
		return nil
	}
	link, err := d.link()
	if err != nil {
		return err
	}
	if link == nil {
		return fmt.Errorf("change interface %s: it does not exist", d.name)
	}
	return errors.Join(
		d.applyLink(link, plan),
		d.removeRoutes(link, plan.Freed),
		d.applyPeers(ctx, plan.Peers),
		d.setRoutes(link, plan.Routes),
		d.removeRoutes(link, plan.Stale),
	)
}

func (d *Device) applyLink(link netlink.Link, plan vpn.Plan) error {
	var errs []error
	if plan.LinkUp {
		if err := d.rt.LinkSetUp(link); err != nil {
			errs = append(errs, fmt.Errorf("set interface %s up: %w", d.name, err))
		}
	}
	if plan.Address.IsValid() {
		err := d.rt.AddrAdd(link, &netlink.Addr{IPNet: ipNet(plan.Address)})
		if err != nil && !errors.Is(err, unix.EEXIST) {
			errs = append(errs, fmt.Errorf("add address %v: %w", plan.Address, err))
		}
	}
	return errors.Join(errs...)
}

// setRoutes adds routes, or takes them over in place. Adding fails, rather than
// replaces, if somebody else has just made a route for the same destination.
func (d *Device) setRoutes(link netlink.Link, changes []vpn.RouteChange) error {
	var errs []error
	for _, c := range changes {
		set := d.rt.RouteAdd
		if c.Adopt {
			set = d.rt.RouteReplace
		}
		if err := set(toRoute(link, c.Route)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c, err))
		}
	}
	return errors.Join(errs...)
}

// removeRoutes removes routes; one that is gone already is as it should be.
func (d *Device) removeRoutes(link netlink.Link, routes []vpn.Route) error {
	var errs []error
	for _, r := range routes {
		if err := d.rt.RouteDel(toRoute(link, r)); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("remove route %s: %w", r, err))
		}
	}
	return errors.Join(errs...)
}

func toRoute(link netlink.Link, r vpn.Route) *netlink.Route {
	return &netlink.Route{
		LinkIndex: link.Attrs().Index,
		Dst:       ipNet(r.Dst),
		Protocol:  netlink.RouteProtocol(r.Protocol),
		Scope:     netlink.Scope(r.Scope),
		Priority:  r.Metric,
		Table:     unix.RT_TABLE_MAIN,
	}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
