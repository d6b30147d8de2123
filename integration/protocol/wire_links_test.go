package protocol

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cluster-agent/worker/redisq/redistest"
)

// adminLine makes the test itself connect as a user of its own, so that all
// other connections are the agent's.
const adminLine = "user admin on >admin ~* &* +@all"

// link is a connection as CLIENT LIST shows it, by the names of its fields.
type link map[string]string

// links lists connections of one type, as those do who look for agents.
func links(t *testing.T, server *redistest.Server, kind string) []link {
	t.Helper()
	list, ok := server.Do(t, "client", "list", "type", kind).(string)
	if !ok {
		t.Fatal("CLIENT LIST gave no text")
	}
	var all []link
	for line := range strings.Lines(list) {
		l := link{}
		for word := range strings.FieldsSeq(line) {
			key, value, _ := strings.Cut(word, "=")
			l[key] = value
		}
		all = append(all, l)
	}
	return all
}

// foreign leaves out the test's own connections.
func foreign(all []link) []link {
	return slices.DeleteFunc(all, func(l link) bool { return l["user"] == "admin" })
}

// alive tells whether others take the agent for online, as the page says it.
func (n *node) alive() bool {
	n.t.Helper()
	const maxIdle = 8
	return slices.ContainsFunc(links(n.t, n.redis, "normal"), func(l link) bool {
		idle, err := strconv.Atoi(l["idle"])
		return err == nil && l["name"] == n.id && l["cmd"] == "brpop" && idle <= maxIdle
	})
}

// newest is the highest number that a connection has had so far.
func (n *node) newest() int64 {
	n.t.Helper()
	number := int64(0)
	for _, l := range links(n.t, n.redis, "normal") {
		number = max(number, l.number(n.t))
	}
	return number
}

// connectedSince tells whether the agent has a connection that is newer.
func (n *node) connectedSince(number int64) bool {
	n.t.Helper()
	return slices.ContainsFunc(links(n.t, n.redis, "normal"), func(l link) bool {
		return l["name"] == n.id && l.number(n.t) > number
	})
}

func (l link) number(t *testing.T) int64 {
	t.Helper()
	number, err := strconv.ParseInt(l["id"], 10, 64)
	must(t, err)
	return number
}

// noMember keeps a machine that is a cluster's node out of tests that start a
// node agent: that looks after the machine it is on.
func noMember(t *testing.T) {
	t.Helper()
	const home = "/var/lib/nethserver"
	if _, err := os.Stat(home); os.IsNotExist(err) {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CANNOT RUN: this machine is a node, it has %s", home)
	}
	t.Skipf("SKIPPED: this machine is a node, it has %s", home)
}
