package vpn_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

// trial is one host that lives through a list of ops: a node of the realm, with
// a number for its key, as what it was born.
type trial struct {
	ctx   context.Context
	realm *realm
	names names
	host  modelHost
	dev   *breaker
	r     vpn.Reconciler

	self      int
	keyNumber int
	memory    memory
	learned   vpn.Keys // keys of which the node has to know that they are, or were, nodes'
	log       []string // what has happened

	// What is so until it is repaired.
	noNetwork bool
	// What is so for the next run.
	unreadable bool
	deed       deed
}

// deed is what an agent does beside its runs.
type deed int

const (
	nothing deed = iota
	silence
	speak
)

// memory is the file of keys of the node agent.
type memory struct {
	keys    vpn.Keys
	failing int // 1: reading, 2: writing
}

var errMemory = errors.New("disk on fire")

func (m *memory) known(context.Context) (vpn.Keys, error) {
	if m.failing == 1 {
		return nil, errMemory
	}
	return m.keys, nil
}

func (m *memory) remember(_ context.Context, wanted vpn.Keys) error {
	if m.failing == 2 {
		return errMemory
	}
	if m.keys == nil {
		m.keys = vpn.NewKeys()
	}
	maps.Copy(m.keys, wanted)
	return nil
}

// newTrial returns node self of a new realm on a host without a VPN.
func newTrial(ctx context.Context, host modelHost, conf string, self int) *trial {
	tr := &trial{ctx: ctx, realm: newRealm(), host: host, self: self, keyNumber: self, learned: vpn.NewKeys()}
	tr.names = names{tr.realm, new(sync.Mutex), make(map[string][]netip.Addr)}
	tr.dev = &breaker{Device: host}
	tr.r = vpn.Reconciler{
		Device: tr.dev, Resolver: tr.names, ConfPath: conf,
		Known: tr.memory.known, Remember: tr.memory.remember,
		Cluster: func(context.Context) (vpn.Cluster, []vpn.Warning, error) {
			if tr.unreadable {
				return vpn.Cluster{}, nil, errors.New("the records cannot be read")
			}
			c, warnings := tr.realm.cluster(tr.self)
			return c, warnings, nil
		},
		PrivateKey: func() (wgtypes.Key, error) { return vpntest.PrivateKey(tr.keyNumber), nil },
		Up:         host.quickUp,
	}
	if sim, ok := host.(*simHost); ok {
		sim.OnStep = func(s vpn.State) { tr.dev.steps = append(tr.dev.steps, moment{s, true}) }
	}
	tr.startAgent()
	return tr
}

// setUpByOthers makes the host one that another tool has made a node, as the
// cluster was then: since, node 4 was removed.
func (tr *trial) setUpByOthers() {
	var conf strings.Builder
	fmt.Fprintf(&conf, "[Interface]\nAddress = 10.5.4.%d/32\nListenPort = 55820\nPrivateKey = %v\n", tr.self, vpntest.PrivateKey(tr.keyNumber))
	for id := 1; id <= 4; id++ {
		if id != tr.self && (tr.self == 1 || id == 1) {
			fmt.Fprintf(&conf, "[Peer]\nPublicKey = %v\nAllowedIPs = 10.5.4.%d/32\nPersistentKeepalive = 25\n", key(id), id)
		}
	}
	mustWrite(tr.r.ConfPath, []byte(conf.String()))
	if err := tr.host.quickUp(tr.ctx); err != nil {
		panic(err)
	}
	delete(tr.realm.records, 4)
}

// startAgent forgets what only the process knows.
func (tr *trial) startAgent() {
	tr.r.Lookups, tr.r.Seen = new(vpn.Lookups), new(vpn.Whereabouts)
}

// node chooses a node that has a record.
func (tr *trial) node(n byte) int {
	return pickOf(slices.Sorted(maps.Keys(tr.realm.records)), n)
}

// formerKey chooses, sometimes, the key of a node that was removed: it joins
// again. 0: a new one.
func (tr *trial) formerKey(n byte) int {
	used := make(map[int]bool)
	for id := range tr.realm.records {
		used[tr.realm.keys[id]] = true
	}
	for _, id := range slices.Sorted(maps.Keys(tr.realm.keys)) {
		if number := tr.realm.keys[id]; n%2 == 0 && !used[number] {
			return number
		}
	}
	return 0
}

// joined makes the host the node that it has joined as, if that was it.
func (tr *trial) joined(id int) {
	if _, member := tr.realm.records[tr.self]; !member && tr.realm.keys[id] == tr.keyNumber {
		tr.self = id
		tr.host.quickDown()
	}
}

func (tr *trial) state() vpn.State {
	s, err := tr.host.State(tr.ctx)
	if err != nil {
		panic(err)
	}
	return s
}

// file returns what the file of wg-quick holds; nothing if there is none.
func (tr *trial) file() string {
	data, err := os.ReadFile(tr.r.ConfPath)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	return string(data)
}

// fileEdit is what somebody does to the file.
type fileEdit struct {
	name string
	do   func(text string) string
}

const adminPeer = "# my laptop\n[Peer]\nPublicKey = LAPTOP\nPresharedKey = LAPTOP # secret\nAllowedIPs = 172.16.9.2/32\n"

func fileEdits() []fileEdit {
	cutAt := func(share int) func(string) string {
		return func(text string) string {
			if at := strings.Index(text, "# my laptop"); at >= 0 {
				text = text[:at] // what others wrote cannot be mended
			}
			if strings.Count(text, "[Peer]") > strings.Count(text, "# node ") {
				return text
			}
			return text[:len(text)*share/100]
		}
	}
	line := func(line string) func(string) string {
		return func(text string) string { return strings.Replace(text, "[Interface]\n", "[Interface]\n"+line+"\n", 1) }
	}
	return []fileEdit{
		{"removed", func(string) string { return "" }},
		{"cut at a tenth", cutAt(10)},
		{"cut at a third", cutAt(33)},
		{"cut in the middle", cutAt(50)},
		{"cut at two thirds", cutAt(66)},
		{"cut near the end", cutAt(97)},
		{"with an MTU", line("MTU = 1380")},
		{"with a command", line("PostUp = echo %i # why not")},
		{"with a laptop", func(text string) string { return text + "\n" + readKeys(adminPeer) }},
		{"without comments", func(text string) string { return withoutLines(text, "#") }},
		{"without endpoints", func(text string) string { return withoutLines(text, "Endpoint") }},
		{"without addresses", func(text string) string { return withoutLines(text, "Address") }},
	}
}

func withoutLines(text, prefix string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, prefix) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func (tr *trial) editFile(e fileEdit) string {
	before := tr.file()
	if text := e.do(before); text != before {
		mustWrite(tr.r.ConfPath, []byte(text))
	}
	return "the file is " + e.name
}

// live lets the ops happen, one after another, and returns what is wrong then. In
// the end all faults are repaired.
func (tr *trial) live(ops []op) error {
	kinds := opKinds()
	var weighted []opKind
	for _, k := range kinds {
		for range k.weight {
			weighted = append(weighted, k)
		}
	}
	for _, o := range ops {
		pending := tr.pending()
		said := pickOf(weighted, o.kind).do(tr, o.a, o.b, o.c)
		if said == "" {
			continue
		}
		tr.log = append(tr.log, said)
		if !pending && tr.pending() || o.c%4 == 0 {
			continue // more comes together with it
		}
		if err := tr.step(); err != nil {
			return fmt.Errorf("after %q: %w", said, err)
		}
	}
	tr.heal()
	if err := tr.step(); err != nil {
		return fmt.Errorf("after all is repaired: %w", err)
	}
	return nil
}

// pending says whether something waits for the next run that is not seen without
// anything else to do.
func (tr *trial) pending() bool {
	return tr.dev.lost != nil || tr.memory.failing > 0
}

// heal ends all faults; bad records stay. The next run has to look all names up.
func (tr *trial) heal() {
	tr.realm.lost, tr.realm.candidate, tr.realm.behind = false, 0, nil
	tr.unreadable, tr.deed, tr.memory.failing, tr.dev.lost = false, nothing, 0, nil
	if tr.noNetwork {
		tr.noNetwork = false
		tr.host.setNetwork(true)
	}
	tr.host.pass(2 * time.Hour)
}

// dir returns the directory of the file, which has nothing else in it.
func (tr *trial) dir() string { return filepath.Dir(tr.r.ConfPath) }
