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
		heard  bool
		want   Silence
		ripe   bool // at second 100, with a limit of 30 s
	}{
		{"heard all the time", Silence{}, 1, true, Silence{}, false},
		{"silent from now on", Silence{}, 1, false, since(1, 100), false},
		{"silent on", since(1, 80), 1, false, since(1, 80), false},
		{"silent for long", since(1, 70), 1, false, since(1, 70), true},
		{"heard again", since(1, 10), 1, true, Silence{}, false},
		{"another leader is silent", since(1, 10), 2, false, since(2, 100), false},
	} {
		got := c.before.next(c.leader, c.heard, at(100))
		if got != c.want || got.ripe(30*time.Second, at(100)) != c.ripe {
			t.Errorf("%s: %+v, ripe: %v", c.name, got, !c.ripe)
		}
		if got.ripe(0, at(1000)) {
			t.Errorf("%s: ripe although it is off", c.name)
		}
	}
}
