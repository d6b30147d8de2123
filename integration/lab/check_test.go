package lab

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// settledThree is a cluster of three, as it should be, led by node 1.
func settledThree() (Expect, []View) {
	e := Expect{
		Network: DefaultNetwork(), Leader: 1, Members: []int{1, 2, 3}, On: []int{1, 2, 3},
		Keys: map[string]int{"K1": 1, "K2": 2, "K3": 3}, Endpoint: "203.0.113.1:55820",
	}
	peer := func(key, endpoint string, allowed ...string) Peer {
		return Peer{Key: key, Endpoint: endpoint, AllowedIPs: allowed, Keepalive: 25, Handshake: time.Unix(1, 0)}
	}
	device := func(key string, peers ...Peer) Device { return Device{Key: key, Port: WireGuardPort, Peers: peers} }
	hub := device("K1", peer("K2", "203.0.113.2:1", "10.5.4.2/32"), peer("K3", "", "10.5.4.3/32"))
	second := device("K2", peer("K1", e.Endpoint, "10.5.4.1/32", "10.5.4.3/32"))
	third := device("K3", peer("K1", e.Endpoint, "10.5.4.1/32", "10.5.4.2/32"))
	replica := Role{Host: "10.5.4.1", State: "connected"}
	views := []View{
		{Node: 1, Role: Role{Master: true, Replicas: []string{"10.5.4.3", "10.5.4.2"}}, Device: hub},
		{Node: 2, Role: replica, Link: "up", Device: second},
		{Node: 3, Role: Role{Host: "cluster-leader", State: "connected"}, Link: "up", Device: third},
	}
	for i := range views {
		v := &views[i]
		v.Leader = "1"
		v.Conf = v.Device
		v.Conf.Key, v.Conf.Peers = "", slices.Clone(v.Device.Peers)
		v.Hosts = map[string]string{"cluster-leader": "10.5.4.1", "cluster-localnode": e.address(v.Node)}
		id := e.address(v.Node)[len("10.5.4."):]
		v.IDs = map[string]string{"cluster": id, "node": id}
	}
	return e, views
}

func TestCheckFindsNothingWrong(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(e *Expect, views []View){
		"settled":                      func(*Expect, []View) {},
		"a node off, and listed":       func(e *Expect, _ []View) { e.On = []int{1, 2} },
		"a node off, and not any more": func(e *Expect, v []View) { e.On, v[0].Role.Replicas = []int{1, 2}, []string{"10.5.4.2"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, views := settledThree()
			change(&e, views)
			if found := e.Check(views[:len(e.On)]); len(found) > 0 {
				t.Errorf("%q", found)
			}
		})
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(e *Expect, views []View)
		want  string
	}{
		"leader":          {func(_ *Expect, v []View) { v[1].Leader = "3" }, `node 2: the leader, by its Redis, is "3", not "1"`},
		"two masters":     {func(_ *Expect, v []View) { v[2].Role = Role{Master: true} }, "node 3: its Redis is a master, not a replica"},
		"no master":       {func(_ *Expect, v []View) { v[0].Role = Role{Host: "10.5.4.3"} }, "node 1: its Redis is a replica of 10.5.4.3, not a master"},
		"replica lost":    {func(_ *Expect, v []View) { v[0].Role.Replicas = nil }, `node 1: the list of its replicas is "", not "10.5.4.2 10.5.4.3"`},
		"link down":       {func(_ *Expect, v []View) { v[1].Link = "down" }, `node 2: the link to its master is "down", not "up"`},
		"other master":    {func(_ *Expect, v []View) { v[1].Role.Host = "10.5.4.3" }, `node 2: the master of its Redis is "10.5.4.3", not "10.5.4.1"`},
		"peer missing":    {func(_ *Expect, v []View) { v[0].Device.Peers = v[0].Device.Peers[:1] }, `node 1: the list of peers of wg0 is "[2]", not "[2 3]"`},
		"peer too many":   {func(_ *Expect, v []View) { v[1].Conf.Peers = append(v[1].Conf.Peers, Peer{Key: "?"}) }, `node 2: the list of peers of wg0.conf is "[0 1]", not "[1]"`},
		"allowed IPs":     {func(_ *Expect, v []View) { v[2].Conf.Peers[0].AllowedIPs = nil }, `node 3: AllowedIPs of peer 1 of wg0.conf is "", not "10.5.4.1/32 10.5.4.2/32"`},
		"endpoint":        {func(_ *Expect, v []View) { v[2].Device.Peers[0].Endpoint = "" }, `node 3: endpoint of peer 1 of wg0 is "", not "203.0.113.1:55820"`},
		"keepalive":       {func(_ *Expect, v []View) { v[2].Device.Peers[0].Keepalive = 0 }, `node 3: keepalive of peer 1 of wg0 is "0", not "25"`},
		"hosts":           {func(_ *Expect, v []View) { v[1].Hosts["cluster-leader"] += " 10.5.4.3" }, `node 2: cluster-leader in hosts is "10.5.4.1 10.5.4.3", not "10.5.4.1"`},
		"state":           {func(_ *Expect, v []View) { v[1].IDs["node"] = "1" }, `node 2: NODE_ID in the state of agent node is "1", not "2"`},
		"cloned key":      {func(_ *Expect, v []View) { v[2].Device.Key = "K2" }, `node 3: the node with the key of wg0 is "2", not "3"`},
		"port":            {func(_ *Expect, v []View) { v[0].Device.Port = 1 }, `node 1: the port of wg0 is "1", not "55820"`},
		"not known":       {func(_ *Expect, v []View) { v[0].Errors = []string{"wg0 cannot be read: x"} }, "node 1: wg0 cannot be read: x"},
		"replica removed": {func(e *Expect, _ []View) { e.On, e.Members = []int{1, 2}, []int{1, 2} }, `node 1: the list of its replicas is "10.5.4.2 10.5.4.3", not "10.5.4.2"`},
		"stranger":        {func(_ *Expect, v []View) { v[0].Role.Replicas = append(v[0].Role.Replicas, "10.5.4.9") }, `node 1: the list of its replicas is "10.5.4.2 10.5.4.3 10.5.4.9", not "10.5.4.2 10.5.4.3"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, views := settledThree()
			test.spoil(&e, views)
			if found := e.Check(views); !slices.Contains(found, test.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(found, "\n     "), test.want)
			}
		})
	}
}

func TestLongest(t *testing.T) {
	t.Parallel()
	at := func(ms ...int) []time.Time {
		all := make([]time.Time, 0, len(ms))
		for _, m := range ms {
			all = append(all, time.UnixMilli(int64(m)))
		}
		return all
	}
	for name, test := range map[string]struct {
		arrivals []time.Time
		end      time.Time
		want     time.Duration
		since    time.Time
	}{
		"even":         {at(0, 10, 20), at(25)[0], 10 * time.Millisecond, at(0)[0]},
		"in between":   {at(0, 10, 500, 501), at(510)[0], 490 * time.Millisecond, at(10)[0]},
		"until now":    {at(0, 10), at(900)[0], 890 * time.Millisecond, at(10)[0]},
		"never":        {at(0), at(70)[0], 70 * time.Millisecond, at(0)[0]},
		"a late burst": {at(0, 300, 300, 300, 310), at(311)[0], 300 * time.Millisecond, at(0)[0]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, since := longest(test.arrivals, test.end); got != test.want || !since.Equal(test.since) {
				t.Errorf("%v since %v, want %v since %v", got, since, test.want, test.since)
			}
		})
	}
}
