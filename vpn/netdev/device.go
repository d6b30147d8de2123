// Package netdev is the vpn.Device of a real host: WireGuard through wgctrl,
// which serves the kernel's module and userspace engines alike, and addresses
// and routes through rtnetlink. It converts and calls; it decides nothing. What comes
// in thousands, an engine's peers and the routes, it reads without the libraries.
package netdev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

// timeout bounds one request to the kernel: it answers in microseconds, or
// something is badly wrong.
const timeout = 10 * time.Second

// Device is the WireGuard interface with a given name in the network namespace
// of the thread that opened it. It need not exist yet. Its methods may be
// called from several goroutines.
type Device struct {
	name  string
	rt    *netlink.Handle
	lists *lister
	// inKernel tells whether the kernel's module serves the interface, as far as that
	// was seen.
	inKernel atomic.Pointer[bool]
}

var _ vpn.Device = (*Device)(nil)

// Open returns the device with the given interface name.
func Open(name string) (*Device, error) {
	rt, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	if err = rt.SetSocketTimeout(timeout); err != nil {
		rt.Close()
		return nil, fmt.Errorf("set timeout of rtnetlink: %w", err)
	}
	lists, err := openLister(timeout)
	if err != nil {
		rt.Close()
		return nil, err
	}
	return &Device{name: name, rt: rt, lists: lists}, nil
}

// Close frees the device's sockets. The interface stays.
func (d *Device) Close() error {
	d.rt.Close()
	return d.lists.close()
}

// link returns the interface; nil if it does not exist. A userspace engine's
// interface shows as a tuntap link, so the name is all there is to go by.
func (d *Device) link() (netlink.Link, error) {
	link, err := d.rt.LinkByName(d.name)
	if _, notFound := errors.AsType[netlink.LinkNotFoundError](err); notFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find interface %s: %w", d.name, err)
	}
	return link, nil
}

// wireguard reads the WireGuard side; nil if no engine serves the interface.
func (d *Device) wireguard(ctx context.Context) (*wgtypes.Device, error) {
	var dev *wgtypes.Device
	err := withClient(ctx, func(c *wgctrl.Client) error {
		var err error
		dev, err = c.Device(d.name)
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read WireGuard interface %s: %w", d.name, err)
	}
	inKernel := dev.Type == wgtypes.LinuxKernel
	d.inKernel.Store(&inKernel)
	return dev, nil
}

// withClient runs f with a client of its own: a client finds out only when it
// is made whether the kernel has WireGuard, and the module may have been loaded
// since. f runs beside the caller because wgctrl has no deadlines, and a
// userspace engine that is stopped would hold the caller for ever; then f ends
// with the engine.
func withClient(ctx context.Context, f func(*wgctrl.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		c, err := wgctrl.New()
		if err != nil {
			done <- fmt.Errorf("open wgctrl: %w", err)
			return
		}
		err = f(c)
		done <- errors.Join(err, c.Close())
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the WireGuard engine: %w", ctx.Err())
	}
}
