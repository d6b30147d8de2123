package vpn_test

import (
	"strings"
	"testing"
	"time"

	"cluster-agent/vpn"
)

// A file that says all is left as it is, whatever its form; one that says more
// about a peer of the cluster, or has it twice, is put right.
func TestSetPeersSeesWhatIsThere(t *testing.T) {
	t.Parallel()
	const head = "[Interface]\nListenPort = 1\n\n"
	const two = "[Peer]\n# node 2\nPublicKey = KEY2\nAllowedIPs = 10.5.4.2/32\nPersistentKeepalive = 25\n\n"
	const admin = "[Peer]\nPublicKey = LAPTOP\nAllowedIPs = 172.16.0.2/32\n"
	peers := []vpn.ConfPeer{{Node: 2, Key: key(2), AllowedIPs: prefixes("10.5.4.2"), Keepalive: 25 * time.Second}}
	for _, c := range []struct {
		name, before, after string
	}{
		{"as it is", head + two, head + two},
		{"with another's peer", head + two + admin, head + two + admin},
		{"in another form", head + strings.Replace(two, "PublicKey =", "publickey=", 1), head + strings.Replace(two, "PublicKey =", "publickey=", 1)},
		{"behind another's peer", head + admin + "\n" + two, head + two + admin + "\n"},
		{"twice", head + two + two, head + two},
		{"one that is gone", head + two + strings.NewReplacer("node 2", "node 3", "KEY2", "KEY3").Replace(two), head + two},
		{"an endpoint that is a name", head + strings.Replace(two, "Allowed", "Endpoint = a.example:1\nAllowed", 1), head + two},
		{"without a blank line", head + strings.TrimSuffix(two, "\n"), head + two},
	} {
		conf := vpn.ParseConf(withKeys(c.before))
		conf.SetPeers(peers, vpn.NewKeys(key(2), key(3)))
		if got := string(conf.Bytes()); got != string(withKeys(c.after)) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, readable(got), readable(string(withKeys(c.after))))
		}
	}
}

// The form of lines that is not ours counts as a difference only if something is.
func TestReconcileLeavesForeignForm(t *testing.T) {
	t.Parallel()
	conf := strings.ReplaceAll(hubConf, "PublicKey = ", "publickey=")
	b := newBench(t, hubOfThree(), hostOf(1), conf)
	if report := b.apply(t); report.Saved {
		t.Errorf("written:\n%s", b.conf(t))
	}
	b = newBench(t, hubOfThree(), hostOf(1), strings.ReplaceAll(hubConf, "\n", "\r\n"))
	if report := b.apply(t); !report.Saved || strings.Contains(b.conf(t), "\r") {
		t.Errorf("saved %v, lines of another system left", report.Saved)
	}
}
