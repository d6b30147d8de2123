package netdev

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

const engineAnswer = `private_key=003ed5d73b55806c30de3f8a7bdab38af13539220533055e635690b8b87ad641
listen_port=55820
fwmark=1
public_key=b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33
preshared_key=0000000000000000000000000000000000000000000000000000000000000000
protocol_version=1
endpoint=[::ffff:203.0.113.9]:55820
last_handshake_time_sec=1700000000
last_handshake_time_nsec=0
tx_bytes=7
rx_bytes=9
persistent_keepalive_interval=25
allowed_ip=10.5.4.9/24
allowed_ip=10.5.3.2/32
public_key=58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376
last_handshake_time_sec=0
last_handshake_time_nsec=0
something_new=1
errno=0

`

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	var s vpn.State
	if err := readAnswer(bufio.NewReader(strings.NewReader(engineAnswer)), &s); err != nil {
		t.Fatal(err)
	}
	key := func(text string) wgtypes.Key {
		k, err := hexKey([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	want := []vpn.Peer{{
		Key:      key("b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33"),
		Endpoint: netip.MustParseAddrPort("203.0.113.9:55820"), Keepalive: 25 * time.Second,
		LastHandshake: time.Unix(1700000000, 0), Received: 9, Sent: 7,
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.5.3.2/32"), netip.MustParsePrefix("10.5.4.0/24")},
	}, {Key: key("58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376")}}
	prefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	ports := cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
	if diff := cmp.Diff(want, s.Peers, prefixes, ports); diff != "" {
		t.Error(diff)
	}
	private := key("003ed5d73b55806c30de3f8a7bdab38af13539220533055e635690b8b87ad641")
	if s.ListenPort != 55820 || s.PublicKey != private.PublicKey() {
		t.Errorf("port %d, key %v", s.ListenPort, s.PublicKey)
	}
}

func TestReadAnswerThatIsNone(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"refused":        "errno=2\n\n",
		"refused late":   strings.Replace(engineAnswer, "errno=0", "errno=5", 1),
		"cut off":        engineAnswer[:len(engineAnswer)-1],
		"no line":        "hello\n\n",
		"no key":         "public_key=12\n\n",
		"no address":     strings.Replace(engineAnswer, "10.5.3.2/32", "10.5.3", 1),
		"no endpoint":    strings.Replace(engineAnswer, "203.0.113.9]", "x]", 1),
		"not hex digits": "private_key=" + strings.Repeat("z", 64) + "\n\n",
	} {
		var s vpn.State
		if err := readAnswer(bufio.NewReader(strings.NewReader(text)), &s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// routeMessage is what the kernel says of a route.
func routeMessage(family, table, kind, bits byte, attributes ...[]byte) []byte {
	m := make([]byte, unix.SizeofRtMsg)
	m[rtFamily], m[rtTable], m[rtType], m[rtDstBits] = family, table, kind, bits
	m[rtProtocol], m[rtScope] = vpn.RouteProtocol, vpn.ScopeLink
	for _, a := range attributes {
		m = append(m, a...)
	}
	return m
}

func attribute(kind uint16, value ...byte) []byte {
	a := make([]byte, 4, 12)
	binary.NativeEndian.PutUint16(a, uint16(4+len(value)))
	binary.NativeEndian.PutUint16(a[2:], kind)
	return append(a, value...)
}

func number32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func TestParseRoute(t *testing.T) {
	t.Parallel()
	dst, out := attribute(unix.RTA_DST, 10, 5, 4, 2), attribute(unix.RTA_OIF, number32(7)...)
	own := vpn.Route{Dst: netip.MustParsePrefix("10.5.4.2/32"), Protocol: vpn.RouteProtocol, Scope: vpn.ScopeLink}
	r, ok := parseRoute(routeMessage(unix.AF_INET, unix.RT_TABLE_MAIN, unix.RTN_UNICAST, 32, dst, out, attribute(unix.RTA_PRIORITY, number32(9)...)))
	own.Metric = 9
	if !ok || r.link != 7 || r.Route != own {
		t.Errorf("%v, %+v", ok, r)
	}
	r, ok = parseRoute(routeMessage(unix.AF_INET6, unix.RT_TABLE_MAIN, unix.RTN_UNICAST, 0, out))
	if !ok || r.Dst != netip.MustParsePrefix("::/0") {
		t.Errorf("default route: %v, %+v", ok, r)
	}
	for name, message := range map[string][]byte{
		"another table":   routeMessage(unix.AF_INET, unix.RT_TABLE_LOCAL, unix.RTN_UNICAST, 32, dst),
		"a local address": routeMessage(unix.AF_INET, unix.RT_TABLE_MAIN, unix.RTN_LOCAL, 32, dst),
		"another family":  routeMessage(unix.AF_MPLS, unix.RT_TABLE_MAIN, unix.RTN_UNICAST, 20, dst),
		"a long prefix":   routeMessage(unix.AF_INET, unix.RT_TABLE_MAIN, unix.RTN_UNICAST, 64, dst),
		"half an address": routeMessage(unix.AF_INET, unix.RT_TABLE_MAIN, unix.RTN_UNICAST, 32, attribute(unix.RTA_DST, 10, 5)),
		"half a message":  make([]byte, 5),
	} {
		if r, ok := parseRoute(message); ok {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// listMessage is a message of a list.
func listMessage(kind, flags uint16, seq uint32, body ...byte) []byte {
	m := make([]byte, unix.SizeofNlMsghdr)
	binary.NativeEndian.PutUint32(m, uint32(len(m)+len(body)))
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], flags)
	binary.NativeEndian.PutUint32(m[8:], seq)
	m = append(m, body...)
	return append(m, make([]byte, aligned(len(m))-len(m))...)
}

func TestListerReads(t *testing.T) {
	t.Parallel()
	l := lister{seq: 3}
	var bodies []string
	each := func(body []byte) { bodies = append(bodies, string(body)) }
	in := append(listMessage(unix.RTM_NEWROUTE, 0, 2, 'o', 'l', 'd'), listMessage(unix.RTM_NEWROUTE, unix.NLM_F_DUMP_INTR, 3, 'n', 'e', 'w')...)
	ended, disturbed, err := l.read(in, each)
	if ended || !disturbed || err != nil || len(bodies) != 1 || bodies[0] != "new" {
		t.Errorf("%v, %v, %v, %q", ended, disturbed, err, bodies)
	}
	if ended, _, err = l.read(listMessage(unix.NLMSG_DONE, 0, 3, number32(0)...), each); !ended || err != nil {
		t.Errorf("end: %v, %v", ended, err)
	}
	refused := -int32(unix.EPERM)
	if _, _, err = l.read(listMessage(unix.NLMSG_ERROR, 0, 3, number32(uint32(refused))...), each); !errors.Is(err, unix.EPERM) {
		t.Errorf("refused: %v", err)
	}
	if _, _, err = l.read(in[:unix.SizeofNlMsghdr], each); !errors.Is(err, errCut) {
		t.Errorf("cut off: %v", err)
	}
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		t.Error("a cut message is tried again")
	}
}
