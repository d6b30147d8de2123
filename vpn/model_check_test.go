package vpn_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

// scene is what there was before a run.
type scene struct {
	state vpn.State
	file  string
	known vpn.Keys // see trial.learned
}

func (tr *trial) scene() scene {
	sc := scene{state: tr.state(), file: tr.file()}
	sc.known = tr.knows(sc)
	return sc
}

// knows returns the keys that a run has to take for those of nodes.
func (tr *trial) knows(sc scene) vpn.Keys {
	known := vpn.NewKeys()
	addAll := func(keys vpn.Keys) {
		for k := range keys {
			known.Add(k)
		}
	}
	for id := range tr.realm.records {
		if k, err := wgtypes.ParseKey(tr.realm.records[id]["public_key"]); err == nil {
			known.Add(k)
		}
	}
	for _, p := range vpn.ParseConf([]byte(sc.file)).Peers() {
		if p.Node > 0 {
			known.Add(p.Key)
		}
	}
	addAll(tr.learned)
	if tr.memory.failing != 1 {
		addAll(tr.memory.keys)
	}
	if tr.memory.failing == 1 || tr.memory.keys != nil || tr.realm.lost {
		return known
	}
	for _, p := range sc.state.Peers {
		if slices.ContainsFunc(p.AllowedIPs, tr.wasNode) {
			known.Add(p.Key)
		}
	}
	return known
}

// wasNode says whether a prefix is the address of a node that was removed.
func (tr *trial) wasNode(p netip.Prefix) bool {
	if !p.IsSingleIP() || !p.Addr().Is4() || !network.Contains(p.Addr()) {
		return false
	}
	for id := range tr.realm.records {
		if tr.realm.records[id]["ip_address"] == p.Addr().String() {
			return false
		}
	}
	id := int(p.Addr().As4()[3])
	return id > 0 && id <= tr.realm.lastID
}

func (tr *trial) oracle(sc scene, after vpn.State) *oracle {
	return &oracle{
		realm: tr.realm, self: tr.self, served: tr.names.served,
		known: sc.known, after: after, file: vpn.ParseConf([]byte(tr.file())),
	}
}

// step makes one run, and says what is wrong with it.
func (tr *trial) step() error {
	sc := tr.scene()
	if err := tr.act(sc); err != nil || tr.deed == silence {
		tr.deed = nothing
		return err
	}
	tr.deed = nothing
	sc = tr.scene()
	tr.dev.steps, tr.dev.failed = nil, false
	report, err := tr.r.Apply(tr.ctx)
	disturbed := tr.unreadable || tr.memory.failing > 0 || tr.dev.failed
	excused := tr.unreadable || tr.dev.failed
	memoryFailed := tr.memory.failing > 0
	if !tr.unreadable && !memoryFailed && !tr.noNetwork && !tr.verdict(sc).keep {
		tr.learn(sc)
	}
	kept := tr.unreadable || tr.realm.lost || tr.noNetwork
	tr.unreadable, tr.memory.failing, tr.dev.lost = false, 0, nil
	switch {
	case tr.noNetwork && !tr.realm.lost && !excused && !errors.Is(err, vpn.ErrNoNetwork):
		return fmt.Errorf("without network: %w", orNil(err))
	case err != nil && !disturbed && !tr.noNetwork:
		return fmt.Errorf("a run fails: %w", err)
	}
	if kept || tr.verdict(sc).keep {
		return tr.unchanged(sc)
	}
	if err := errors.Join(tr.checkSteps(sc), tr.checkForeign(sc), tr.checkAdminFile(sc)); err != nil || disturbed {
		return err
	}
	if err := tr.checkClean(sc, report); err != nil {
		return err
	}
	return tr.again(report)
}

// learn keeps what the node has to know from now on: whose the peers were that
// this run has found or made.
func (tr *trial) learn(sc scene) {
	for _, p := range slices.Concat(sc.state.Peers, tr.state().Peers) {
		if sc.known.Has(p.Key) {
			tr.learned.Add(p.Key)
		}
	}
}

func orNil(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

func (tr *trial) verdict(sc scene) verdict { return tr.oracle(sc, tr.state()).judge() }

// unchanged checks that nothing was changed.
func (tr *trial) unchanged(sc scene) error {
	if after := tr.state(); traits(after) != traits(sc.state) {
		return fmt.Errorf("changed, though nothing may be, from\n%s\nto\n%s", traits(sc.state), traits(after))
	}
	if file := tr.file(); file != sc.file {
		return fmt.Errorf("the file was changed, though nothing may be:\n%s", file)
	}
	return nil
}

// traits is what a run could change.
func traits(s vpn.State) string {
	var lines []string
	for _, p := range s.Peers {
		lines = append(lines, fmt.Sprint(p.Key, p.Endpoint, p.AllowedIPs, p.Keepalive))
	}
	for _, r := range s.Routes {
		lines = append(lines, fmt.Sprint("route ", r))
	}
	for _, a := range s.Addresses {
		lines = append(lines, fmt.Sprint("address ", a))
	}
	slices.Sort(lines)
	return readable(strings.Join(append(lines, fmt.Sprint(s.Exists, s.Up, s.PublicKey)), "\n"))
}

// again checks that a second run finds nothing to do, and that it says the same as
// a third.
func (tr *trial) again(first vpn.Report) error {
	file := tr.fileInfo()
	heard := fmt.Sprint(tr.names.served)
	var said string
	for pass := range 2 {
		report, err := tr.r.Apply(tr.ctx)
		if err != nil {
			return fmt.Errorf("a second run fails: %w", err)
		}
		if pass == 0 && fmt.Sprint(tr.names.served) != heard { // names were due again, and have changed
			return tr.again(report)
		}
		if report.Changed() {
			return fmt.Errorf("a second run saves %v, plans\n%s\nafter\n%s", report.Saved, readable(report.Plan.String()), readable(first.Plan.String()))
		}
		says := warningTexts(report.Warnings) + "\n" + warningTexts(report.Notes)
		if pass == 1 && says != said {
			return fmt.Errorf("a second run says\n%s\na third\n%s", said, says)
		}
		said = says
	}
	if tr.fileInfo() != file {
		return errors.New("a second run writes the file")
	}
	return nil
}

func (tr *trial) fileInfo() string {
	info, err := os.Stat(tr.r.ConfPath)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.ModTime(), info.Size(), info.Mode())
}

// leak is an address that must not be in the tunnel, and why.
type leak struct {
	address netip.Addr
	whose   string
}

// inTunnel returns what leads an address at which a peer is into the tunnel: our
// routes, and allowed IPs of nodes' peers.
func (tr *trial) inTunnel(sc scene, s vpn.State, routesOnly bool) map[string]leak {
	v := verdict{bad: make(map[int]string)}
	o := tr.oracle(sc, s)
	o.places(o.usable(&v), &v)
	found := make(map[string]leak)
	for a, whose := range v.spots {
		for _, r := range s.Routes {
			if r.Protocol == vpn.RouteProtocol && r.Dst.Contains(a) {
				found["route "+r.String()] = leak{a, whose}
			}
		}
		for _, p := range s.Peers {
			for _, ip := range p.AllowedIPs {
				if sc.known.Has(p.Key) && ip.Contains(a) && !routesOnly {
					found[fmt.Sprintf("allowed IP %v", ip)] = leak{a, whose}
				}
			}
		}
	}
	return found
}

// checkSteps looks at every state that a packet could meet: no peer's address has
// come into the tunnel, and a packet goes either the way that it had before, or the
// one that it has afterwards.
func (tr *trial) checkSteps(sc scene) error {
	steps := tr.dev.steps
	if len(steps) == 0 {
		return nil
	}
	before := tr.inTunnel(sc, steps[0].State, false)
	were := make(map[netip.Addr]bool)
	for _, spot := range before {
		were[spot.address] = true
	}
	for i, s := range steps {
		for what, spot := range tr.inTunnel(sc, s.State, s.inside) {
			if before[what] == (leak{}) && !were[spot.address] {
				return fmt.Errorf("step %d of %d brings an endpoint into the tunnel: %v by %s", i, len(steps)-1, spot, readable(what))
			}
		}
	}
	for _, a := range tr.samples(steps) {
		if err := wayThrough(a, steps); err != nil {
			return err
		}
	}
	return nil
}

// samples are addresses of all kinds to which packets may be sent.
func (tr *trial) samples(steps []moment) []netip.Addr {
	var all []netip.Addr
	for id := range mostNodes + 2 {
		all = append(all, netip.AddrFrom4([4]byte{10, 5, 4, byte(id)}))
	}
	for _, text := range someDestinations {
		if a, err := netip.ParseAddr(text); err == nil && aMachine(a) {
			all = append(all, a.Unmap())
		}
	}
	for _, p := range steps[0].Peers {
		if p.Endpoint.IsValid() {
			all = append(all, p.Endpoint.Addr())
		}
	}
	return append(all, addr("172.16.0.9"), addr("172.17.1.1"), addr("198.51.100.77"))
}

type way struct {
	peer   wgtypes.Key
	direct bool
}

// wayThrough follows the packets for one address.
func wayThrough(a netip.Addr, steps []moment) error {
	ways := make([]way, 0, len(steps))
	for _, s := range steps {
		peer, direct := vpntest.Way(s.State, a)
		ways = append(ways, way{peer, direct})
	}
	first, last := ways[0], ways[len(ways)-1]
	if first == (way{}) || last == (way{}) {
		return nil
	}
	if wide(a, steps[0].State) && !wide(a, steps[len(steps)-1].State) {
		return nil // see vpn.Plan
	}
	for i, w := range ways {
		if w != first && w != last {
			return fmt.Errorf("packets to %v lose their way in step %d of %d: %v, before %v, after %v", a, i, len(steps)-1,
				readable(fmt.Sprint(w)), readable(fmt.Sprint(first)), readable(fmt.Sprint(last)))
		}
	}
	return nil
}

// wide says whether a is in the tunnel by a route for several addresses.
func wide(a netip.Addr, s vpn.State) bool {
	return slices.ContainsFunc(s.Routes, func(r vpn.Route) bool { return r.Dst.Contains(a) && !r.Dst.IsSingleIP() })
}

// checkForeign: what is not the cluster's is as it was.
func (tr *trial) checkForeign(sc scene) error {
	after := tr.state()
	var errs []error
	for _, p := range sc.state.Peers {
		if sc.known.Has(p.Key) || !after.Exists || len(tr.dev.steps) == 0 || !sc.state.Exists {
			continue
		}
		q, ok := after.Peer(p.Key)
		if !ok || q.Endpoint != p.Endpoint || q.Keepalive != p.Keepalive {
			errs = append(errs, fmt.Errorf("peer %v of another was %v, is %v", p.Key, p, q))
		}
		for _, ip := range p.AllowedIPs {
			taken := ip.IsSingleIP() && network.Contains(ip.Addr())
			if !slices.Contains(q.AllowedIPs, ip) && !taken {
				errs = append(errs, fmt.Errorf("peer %v of another has lost %v", p.Key, ip))
			}
		}
	}
	for _, r := range sc.state.Routes {
		if !tr.clusters(sc, r) && sc.state.Exists && !slices.Contains(after.Routes, r) {
			errs = append(errs, fmt.Errorf("route %v of another is gone", r))
		}
	}
	for _, a := range sc.state.Addresses {
		if !slices.Contains(after.Addresses, a) {
			errs = append(errs, fmt.Errorf("address %v is gone", a))
		}
	}
	return errors.Join(errs...)
}

// clusters says whether a route may have been made for the cluster: by this
// software, or by wg-quick for what a node has.
func (tr *trial) clusters(sc scene, r vpn.Route) bool {
	if r.Protocol == vpn.RouteProtocol {
		return true
	}
	if r.Protocol != vpn.ProtocolBoot {
		return false
	}
	for _, p := range sc.state.Peers {
		if sc.known.Has(p.Key) && slices.Contains(p.AllowedIPs, r.Dst) {
			return true
		}
	}
	_, owned := tr.verdict(sc).owned[r.Dst.Addr()]
	return r.Dst.IsSingleIP() && owned
}

// checkAdminFile: the file is for root alone, nothing is left beside it, and what
// an administrator wrote into it is there.
func (tr *trial) checkAdminFile(sc scene) error {
	entries, err := os.ReadDir(tr.dir())
	if err != nil {
		return err
	}
	info, err := os.Stat(tr.r.ConfPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) != 1 || info.Mode().Perm() != 0o600:
		return fmt.Errorf("files %v, mode %v", entries, info.Mode())
	}
	after := tr.file()
	for _, line := range []string{"MTU = 1380\n", "PostUp = echo %i # why not\n", readKeys(adminPeer)} {
		if strings.Contains(sc.file, line) && !strings.Contains(after, line) {
			return fmt.Errorf("the file has lost %q:\n%s", line, after)
		}
	}
	return nil
}
