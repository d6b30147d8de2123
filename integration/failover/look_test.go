package main

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseEngine(t *testing.T) {
	t.Parallel()
	const answer = "private_key=00\nlisten_port=55820\nfwmark=1\n" +
		"public_key=aa\npreshared_key=00\nprotocol_version=1\nallowed_ip=10.5.4.1/32\nallowed_ip=10.5.4.3/32\nallowed_ip=192.168.0.0/16\n" +
		"public_key=bb\nendpoint=203.0.113.2:55820\nallowed_ip=fd00::2/128\nerrno=0\n\nmore=1\n"
	got, err := parseEngine(strings.NewReader(answer))
	want := map[string]string{"10.5.4.1": "aa", "10.5.4.3": "aa", "fd00::2": "bb"}
	found := map[string]string{}
	for address, key := range got {
		found[address.String()] = key
	}
	if diff := cmp.Diff(want, found); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err = parseEngine(strings.NewReader("public_key=aa\n")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half an answer: %v", err)
	}
	if _, err = parseEngine(strings.NewReader("errno=13\n\n")); !errors.Is(err, syscall.EACCES) {
		t.Errorf("a refusal: %v", err)
	}
}

func TestWrongIn(t *testing.T) {
	t.Parallel()
	a, b := netip.MustParseAddr("10.5.4.1"), netip.MustParseAddr("10.5.4.2")
	want := tunnel{a: "hub"}
	for name, test := range map[string]struct {
		found tunnel
		wrong string
	}{
		"as wanted":    {tunnel{a: "hub"}, ""},
		"others there": {tunnel{a: "hub", b: "dead"}, ""},
		"not there":    {tunnel{b: "hub"}, "10.5.4.1"},
		"of another":   {tunnel{a: "dead"}, "10.5.4.1"},
	} {
		if got := want.wrongIn(test.found); got != test.wrong {
			t.Errorf("%s: %q, want %q", name, got, test.wrong)
		}
	}
}

func TestHexKey(t *testing.T) {
	t.Parallel()
	if got, err := hexKey("AQIDBA==\n"); err != nil || got != "01020304" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := hexKey("no key"); err == nil {
		t.Error("no key is taken for one")
	}
}

func TestView(t *testing.T) {
	t.Parallel()
	hub, other := netip.MustParseAddr("10.5.4.1"), netip.MustParseAddr("10.5.4.12")
	master := view{parseInfo("# Replication\r\nrole:master\r\nconnected_slaves:2\r\n" +
		"slave0:ip=10.5.4.1,port=6379,state=online,offset=1,lag=0\r\nslave1:ip=10.5.4.12,port=6379,state=wait_bgsave,offset=0,lag=0\r\n"), "3"}
	if !master.master(3) || master.master(2) || master.told(hub) || master.follows(hub) {
		t.Errorf("a master is not seen as that: %+v", master)
	}
	if got := master.online([]netip.Addr{hub, other}); got != 1 {
		t.Errorf("%d replicas are online, want 1", got)
	}
	if got := master.online([]netip.Addr{netip.MustParseAddr("10.5.4.11")}); got != 0 {
		t.Errorf("10.5.4.11 is taken for 10.5.4.1: %d", got)
	}
	replica := func(host, link string) view {
		return view{parseInfo("role:slave\r\nmaster_host:" + host + "\r\nmaster_link_status:" + link + "\r\n"), "1"}
	}
	for name, test := range map[string]struct {
		v             view
		told, follows bool
	}{
		"in sync":       {replica("10.5.4.1", "up"), true, true},
		"by name":       {replica("cluster-leader", "up"), true, true},
		"link down":     {replica("10.5.4.1", "down"), true, false},
		"after another": {replica("10.5.4.12", "up"), false, false},
	} {
		if told, follows := test.v.told(hub), test.v.follows(hub); told != test.told || follows != test.follows {
			t.Errorf("%s: %t, %t", name, told, follows)
		}
	}
}

func TestLeaderName(t *testing.T) {
	t.Parallel()
	for hosts, want := range map[string]string{
		"127.0.0.1 localhost\n10.5.4.3\tcluster-leader\n10.5.4.2 cluster-localnode\n": "10.5.4.3",
		"10.5.4.3 other cluster-leader # new\n":                                       "10.5.4.3",
		"# 10.5.4.3 cluster-leader\n10.5.4.2 not-cluster-leader\n":                    "",
		"cluster-leader\n": "",
	} {
		if got := leaderName(hosts); got != want {
			t.Errorf("%q: %q, want %q", hosts, got, want)
		}
	}
}

func TestTurnIsDoneWithItsLastPart(t *testing.T) {
	t.Parallel()
	whole := turn{node: 2, told: at(10), redis: at(40), name: at(20), vpn: at(30)}
	if !whole.done().Equal(at(40)) || !whole.own().Equal(at(30)) {
		t.Errorf("done at %v, own part at %v", whole.done(), whole.own())
	}
	waits := whole
	if waits.redis = (time.Time{}); !waits.done().IsZero() || !waits.own().Equal(at(30)) {
		t.Errorf("not in sync, and done at %v, own part at %v", waits.done(), waits.own())
	}
	if waits.vpn = (time.Time{}); !waits.own().IsZero() {
		t.Error("done with its own part, and wg0 has not turned")
	}
}

func TestWorstGap(t *testing.T) {
	t.Parallel()
	gaps := []gap{{3, 1, 2, 0}, {9, 2, 3, 0}, {5, 3, 4, 0}, {7, 1, 4, 0}}
	for node, want := range map[int][2]time.Duration{1: {9, 7}, 3: {7, 9}, 4: {9, 7}, 9: {9, 0}} {
		if without, with := worst(gaps, node, false).Length, worst(gaps, node, true).Length; without != want[0] || with != want[1] {
			t.Errorf("node %d: %d without it, %d with it, want %d", node, without, with, want)
		}
	}
}

func TestRoll(t *testing.T) {
	t.Parallel()
	var r roll
	r.set([]int{2, 4, 5})
	for n, want := range []int{2, 4, 5, 2} {
		if got := r.seat(n); got != want {
			t.Errorf("client %d lives on node %d, want %d", n, got, want)
		}
	}
	if r.has(3) || !r.has(4) {
		t.Error("the roll is wrong")
	}
}
