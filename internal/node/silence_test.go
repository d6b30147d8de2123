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
