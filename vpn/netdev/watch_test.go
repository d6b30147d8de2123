package netdev_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"cluster-agent/vpn/netdev"
	"cluster-agent/vpn/vpntest"
)

// watched counts what a Watch tells.
type watched struct {
	t       *testing.T
	changes chan time.Time
}

// watch watches until the test ends.
func watch(t *testing.T, d *netdev.Device) *watched {
	t.Helper()
	w := &watched{t: t, changes: make(chan time.Time, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Watch(ctx, func() { w.changes <- time.Now() }, func(err error) { t.Errorf("watch: %v", err) })
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return w
}

// wants waits for news of what has just been done.
func (w *watched) wants(what string) {
	w.t.Helper()
	select {
	case <-w.changes:
	case <-time.After(3 * time.Second):
		w.t.Errorf("%s: nothing was told", what)
	}
}

// settles waits for news of what has just been done, which may come in several
// bursts, and until there is no more. How many came while it was done says only how
// slow the machine is.
func (w *watched) settles(what string) {
	w.t.Helper()
	w.wants(what)
	for len(w.changes) > 0 {
		<-w.changes
	}
	w.calms(what)
}

// calms waits until there is no more news, which has to come about soon.
func (w *watched) calms(what string) {
	w.t.Helper()
	for range 5 {
		select {
		case <-w.changes:
		case <-time.After(time.Second):
			return
		}
	}
	w.t.Errorf("%s: told again and again", what)
}

// wantsNone sees to it that nothing more is told.
func (w *watched) wantsNone(what string) {
	w.t.Helper()
	select {
	case <-w.changes:
		w.t.Errorf("%s: told", what)
	case <-time.After(time.Second):
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	if !vpntest.InNamespace(t, mustRun()) {
		return
	}
	h := engines()[0].newHost(t)
	d := h.(realHost).Device
	w := watch(t, d)
	// The subscription begins some time after its goroutine.
	for began := false; !began; {
		vpntest.Command(t, "ip", "address", "replace", "203.0.113.77/32", "dev", "eth0")
		vpntest.Command(t, "ip", "address", "delete", "203.0.113.77/32", "dev", "eth0")
		vpntest.Command(t, "ip", "address", "replace", "203.0.113.78/32", "dev", "eth0")
		select {
		case <-w.changes:
			began = true
		case <-time.After(time.Second):
			vpntest.Command(t, "ip", "address", "delete", "203.0.113.78/32", "dev", "eth0")
		}
	}
	w.calms("nothing")
	for _, change := range [][]string{
		{"address", "add", "198.51.100.1/24", "dev", "eth0"},
		{"-6", "address", "add", "2001:db8:9::1/64", "dev", "eth0", "nodad"},
		{"route", "add", "192.0.2.1/32", "dev", "eth0"},
		{"route", "add", "192.0.2.2/32", "dev", "wg0"},
		{"-6", "route", "add", "2001:db8:7::7/128", "dev", "wg0"},
		{"link", "set", "wg0", "down"},
		{"link", "set", "wg0", "up"},
		{"address", "add", "10.5.4.1/32", "dev", "wg0"},
		{"address", "delete", "198.51.100.1/24", "dev", "eth0"},
	} {
		vpntest.Command(t, "ip", change...)
		w.settles(change[len(change)-1] + " " + change[0] + " " + change[1])
	}
	// What State does not show is no change.
	vpntest.Command(t, "ip", "route", "add", "192.0.2.0/24", "table", "7", "dev", "eth0")
	vpntest.Command(t, "ip", "link", "set", "eth0", "mtu", "1400")
	w.wantsNone("another table, another MTU")
	if told := w.storm(); told < 1 || told > 4 {
		t.Errorf("told %d times of a storm of five seconds", told)
	}
}

// storm changes an address again and again, for five seconds, and counts how often that is
// told: not once for each of its drops. No program is run for it: on a slow machine one
// takes longer than the calm after which a change is told.
func (w *watched) storm() (told int) {
	w.t.Helper()
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		w.t.Fatal(err)
	}
	var last *netlink.Addr
	drops := time.NewTicker(20 * time.Millisecond)
	defer drops.Stop()
	for drop := range byte(250) {
		<-drops.C
		next := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(198, 51, 100, drop), Mask: net.CIDRMask(32, 32)}}
		if err = netlink.AddrAdd(eth0, next); err == nil && last != nil {
			err = netlink.AddrDel(eth0, last)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		last = next
	}
	for len(w.changes) > 0 {
		<-w.changes
		told++
	}
	return told
}

// What this process changes itself is told, too, and a run that finds nothing to
// do changes nothing that could be told.
func TestWatchOwnChanges(t *testing.T) {
	t.Parallel()
	d := quickDevice(t)
	if d == nil {
		return
	}
	c := quickCluster()
	r := newReconciler(t, d, &c)
	w := watch(t, d)
	apply(t, r)
	w.settles("brought up")
	for range 3 {
		if report := apply(t, r); report.Changed() {
			t.Errorf("changed %+v", report)
		}
	}
	w.wantsNone("three runs without a change")
	vpntest.Command(t, "ip", "link", "delete", "wg0")
	w.wants("deleted")
	if report := apply(t, r); !report.Upped {
		t.Errorf("deleted: %+v", report)
	}
	w.settles("brought up again")
	w.wantsNone("brought up again")
	vpntest.Command(t, "ip", "link", "set", "wg0", "down")
	w.wants("set down")
	if report := apply(t, r); !report.Plan.LinkUp || len(report.Plan.Routes) == 0 {
		t.Errorf("set down: plan\n%v", report.Plan)
	}
	if report := apply(t, r); report.Changed() {
		t.Errorf("set up again, plan\n%v", report.Plan)
	}
}
