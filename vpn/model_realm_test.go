package vpn_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"cluster-agent/vpn"
)

// realm is what the hosts of a model share: Redis and the name service.
type realm struct {
	records   map[int]map[string]string // fields of node/N/vpn
	keys      map[int]int               // the number of the key that a node has in truth
	leader    int
	candidate int
	behind    []int
	lastID    int
	lost      bool // there is no cluster/network
	names     map[string][]netip.Addr
}

// mostNodes bounds the ids: collisions are to be frequent.
const mostNodes = 8

func newRealm() *realm {
	r := &realm{
		records: make(map[int]map[string]string), keys: make(map[int]int), leader: 1,
		names: map[string][]netip.Addr{"one.example.com": {addr("198.51.100.1")}, "two.example.com": {addr("198.51.100.2")}},
	}
	r.join("one.example.com:55820", 0)
	r.join("", 0)
	r.join("198.51.100.3:55820", 0)
	r.join("", 0)
	r.records[2]["destinations"] = "192.168.2.10 2001:db8:2::10"
	r.records[4]["destinations"] = "192.168.4.10"
	return r
}

// join gives the next id to a node with a key that was another node's, or to a
// new one. It returns 0 if there is no id left.
func (r *realm) join(endpoint string, keyNumber int) int {
	if r.lastID == mostNodes {
		return 0
	}
	r.lastID++
	if keyNumber == 0 {
		keyNumber = r.lastID
	}
	r.keys[r.lastID] = keyNumber
	r.records[r.lastID] = map[string]string{"endpoint": endpoint}
	r.mend(r.lastID)
	return r.lastID
}

// mend writes what add-node has written for the node.
func (r *realm) mend(id int) {
	if fields, ok := r.records[id]; ok {
		fields["public_key"] = key(r.keys[id]).String()
		fields["ip_address"] = fmt.Sprintf("10.5.4.%d", id)
	}
}

// cluster reads the records as node self does.
func (r *realm) cluster(self int) (vpn.Cluster, []vpn.Warning) {
	c := vpn.Cluster{Self: self, Leader: r.leader, StandsBy: r.standsBy(self), Behind: r.behind, LastID: r.lastID}
	if r.candidate != 0 {
		c.Candidates = []int{r.candidate}
	}
	if !r.lost {
		c.Network = network
	}
	var warnings []vpn.Warning
	for _, id := range slices.Sorted(maps.Keys(r.records)) {
		n, more := record(r.records[id]).Node(id)
		c.Nodes, warnings = append(c.Nodes, n), append(warnings, more...)
	}
	return c, warnings
}

// standsBy says whether a node has an endpoint, by which it may lead one day.
func (r *realm) standsBy(node int) bool { return strings.TrimSpace(r.records[node]["endpoint"]) != "" }

// changeDestination adds or removes one, as update-routes does.
func (r *realm) changeDestination(id int, destination string, there bool) {
	fields := strings.Fields(r.records[id]["destinations"])
	fields = toggled(fields, destination, there)
	slices.Sort(fields)
	r.records[id]["destinations"] = strings.Join(fields, " ")
}

// names is the name service as one host sees it: it remembers the last answers.
type names struct {
	realm  *realm
	mu     *sync.Mutex // names are looked up at the same time
	served map[string][]netip.Addr
}

func (n names) LookupNetIP(_ context.Context, _, name string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	found := n.realm.names[name]
	n.served[name] = found
	if len(found) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return found, nil
}
