package netdev

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/vishvananda/netlink"

	"cluster-agent/internal/wait"
	"cluster-agent/vpn"
)

// Times of Watch. Changes come in bursts (an interface that comes up has an
// address, then routes), which end within calm; a storm that does not end is
// looked at every storm.
const (
	calm     = 300 * time.Millisecond
	storm    = 2 * time.Second
	subPause = time.Second // before a broken subscription is made anew
)

// Watch calls changed after every change of the host's addresses, links or routes
// that State would show, those of the VPN interface included, until ctx ends. What
// this process changes itself is a change, too. changed must not block. failed is
// told why changes may have been missed; changed is called then as well.
func (d *Device) Watch(ctx context.Context, changed func(), failed func(error)) {
	last, err := d.surroundings()
	if err != nil {
		failed(err)
	}
	look := func() {
		now, err := d.surroundings()
		if err != nil {
			failed(err)
		}
		if err != nil || !reflect.DeepEqual(now, last) {
			last = now
			changed()
		}
	}
	for ctx.Err() == nil {
		if err := d.listen(ctx, look); err != nil && ctx.Err() == nil {
			failed(err)
			wait.For(ctx, subPause)
		}
	}
}

// surroundings is the State without what only WireGuard knows.
func (d *Device) surroundings() (vpn.State, error) {
	var s vpn.State
	link, err := d.link()
	if err != nil {
		return s, err
	}
	index := 0
	if link != nil {
		index = link.Attrs().Index
		s.Exists, s.Up, s.ListenPort = true, isUp(link), index // another interface of that name is another
	}
	err = d.readNetwork(&s, index)
	return s, err
}

// listen waits for changes until the subscription breaks, as it does when the
// kernel tells more than the process takes, or ctx ends.
func (d *Device) listen(ctx context.Context, look func()) error {
	s, err := subscribe(ctx)
	if err != nil {
		return err
	}
	defer s.end()
	look() // what has changed before anybody was told
	due := time.NewTimer(0)
	due.Stop()
	var began time.Time // of the burst; zero: there is none
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.broken:
			return err
		case <-s.news:
			if began.IsZero() {
				began = time.Now()
			}
			due.Reset(min(calm, time.Until(began.Add(storm))))
		case <-due.C:
			began = time.Time{}
			look()
		}
	}
}

// subscription is what the kernel tells of changes.
type subscription struct {
	news   chan struct{} // something has changed
	broken chan error    // nothing more comes
	stop   context.CancelFunc
	ended  []<-chan struct{}
}

func subscribe(ctx context.Context) (*subscription, error) {
	ctx, stop := context.WithCancel(ctx)
	s := &subscription{news: make(chan struct{}, 1), broken: make(chan error, 1), stop: stop}
	addrs, links, routes := make(chan netlink.AddrUpdate), make(chan netlink.LinkUpdate), make(chan netlink.RouteUpdate)
	err := netlink.AddrSubscribeWithOptions(addrs, ctx.Done(), netlink.AddrSubscribeOptions{ErrorCallback: s.fail})
	if err == nil {
		forward(s, addrs)
		err = netlink.LinkSubscribeWithOptions(links, ctx.Done(), netlink.LinkSubscribeOptions{ErrorCallback: s.fail})
	}
	if err == nil {
		forward(s, links)
		err = netlink.RouteSubscribeWithOptions(routes, ctx.Done(), netlink.RouteSubscribeOptions{ErrorCallback: s.fail})
	}
	if err != nil {
		s.end()
		return nil, fmt.Errorf("subscribe to changes of the network: %w", err)
	}
	forward(s, routes)
	return s, nil
}

// forward says that there is news for each that comes, until none comes any
// more: the sender waits for the receiver, also when nobody wants to know.
func forward[T any](s *subscription, updates <-chan T) {
	ended := make(chan struct{})
	s.ended = append(s.ended, ended)
	go func() {
		defer close(ended)
		for range updates {
			select {
			case s.news <- struct{}{}:
			default:
			}
		}
		s.fail(errEnded)
	}()
}

// fail ends the subscription for the first reason that is given.
func (s *subscription) fail(err error) {
	select {
	case s.broken <- err:
	default:
	}
}

// end closes the sockets and waits until all that runs for them has ended.
func (s *subscription) end() {
	s.stop()
	for _, ended := range s.ended {
		<-ended
	}
}

var errEnded = errors.New("the kernel's news ended")
