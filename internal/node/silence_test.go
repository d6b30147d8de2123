package node

import (
	"testing"
	"time"
)

func TestSilence(t *testing.T) {
	t.Parallel()
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0).UTC() }
	since := func(leader, seconds int) Silence { return Silence{Leader: leader, Since: at(seconds)} }
	for _, c := range []struct {
		name   string
		before Silence
		leader int
		since  time.Time
		want   Silence
		ripe   bool // at second 100, with a limit of 30 s
	}{
		{"heard all the time", Silence{}, 1, time.Time{}, Silence{}, false},
		{"silent from now on", Silence{}, 1, at(100), since(1, 100), false},
		{"silent for a while", Silence{}, 1, at(84), since(1, 84), false},
		{"silent on", since(1, 80), 1, at(100), since(1, 80), false},
		{"silent for long", since(1, 70), 1, at(100), since(1, 70), true},
		{"heard again", since(1, 10), 1, time.Time{}, Silence{}, false},
		{"another leader is silent", since(1, 10), 2, at(100), since(2, 100), false},
	} {
		got := c.before.next(c.leader, c.since)
		if got != c.want || got.ripe(30*time.Second, at(100)) != c.ripe {
			t.Errorf("%s: %+v, ripe: %v", c.name, got, !c.ripe)
		}
		if got.ripe(0, at(1000)) {
			t.Errorf("%s: ripe although it is off", c.name)
		}
	}
}

// A worker whose leader has been silent, and whose Redis is made a master then, does not seek at
// once: as a master it is heard of for as long as others.
func TestSilenceOfANewMaster(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 2)
	createCluster(t, server, 1)
	record(t, server, 1, address("10.5.4.1"), "192.0.2.1:55820")
	record(t, server, 2, address("10.5.4.2"), "192.0.2.2:55820")
	m.LeaderSilence = 30 * time.Second
	m.vigil.begun = true
	long := time.Now().UTC().Round(0).Add(-40 * time.Second)
	must(t, m.setSilence(Silence{Leader: 1, Since: long, Seeking: true}))
	m.vigil.masterSince = long.Add(39 * time.Second)
	must(t, m.with(func(s *session) error {
		q, err := m.listen(t.Context(), s, time.Now())
		if q.Seeking || !q.Since.Equal(m.vigil.masterSince) {
			t.Errorf("master since %v: %+v", m.vigil.masterSince, q)
		}
		return err
	}))
}
