package node

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"cluster-agent/internal/host"
)

// step is new evidence after a while, and what is to become of the standing.
type step struct {
	after time.Duration
	e     evidence
	phase Phase
	why   Reason
}

// Evidence of node 3.
var (
	isMember   = evidence{self: 3, member: true}
	isGone     = evidence{self: 3, gone: true}
	isRefused  = evidence{self: 3, refused: true}
	isCutOff   = evidence{self: 3}
	isRevived  = evidence{self: 3, revived: true}
	isNewcomer = evidence{self: 4, gone: true}
)

func TestStanding(t *testing.T) {
	t.Parallel()
	stop := []step{{0, isMember, Member, ""}, {0, isGone, Doubted, Removed}, {goneTime, isGone, Silent, Removed}}
	refuse := []step{{0, isMember, Member, ""}, {0, isRefused, Doubted, Refused}, {refusedTime, isRefused, Silent, Refused}}
	for name, steps := range map[string][]step{
		"never a member":           {{0, isGone, "", ""}, {0, isRefused, "", ""}, {time.Hour, isGone, "", ""}, {0, isMember, Member, ""}},
		"cut off for a year":       {{0, isMember, Member, ""}, {0, isCutOff, Member, ""}, {8760 * time.Hour, isCutOff, Member, ""}},
		"gone for a moment":        {{0, isMember, Member, ""}, {0, isGone, Doubted, Removed}, {goneTime - 1, isGone, Doubted, Removed}, {0, isMember, Member, ""}, {0, isGone, Doubted, Removed}, {goneTime - 1, isGone, Doubted, Removed}},
		"back without a leader":    {{0, isMember, Member, ""}, {0, isGone, Doubted, Removed}, {time.Hour, isCutOff, Member, ""}},
		"refused in a switch":      {{0, isMember, Member, ""}, {0, isRefused, Doubted, Refused}, {refusedTime - 1, isRefused, Doubted, Refused}, {time.Hour, isMember, Member, ""}},
		"refused, then no answer":  {{0, isMember, Member, ""}, {0, isRefused, Doubted, Refused}, {time.Second, isCutOff, Doubted, Refused}, {refusedTime, isCutOff, Silent, Refused}},
		"gone while refused":       {{0, isMember, Member, ""}, {0, isRefused, Doubted, Refused}, {time.Second, isGone, Doubted, Removed}, {goneTime, isGone, Silent, Removed}},
		"refused after being gone": {{0, isMember, Member, ""}, {0, isGone, Doubted, Removed}, {time.Second, isRefused, Doubted, Refused}, {goneTime, isRefused, Doubted, Refused}},
		"removed":                  append(stop, step{removedPause - 1, isGone, Silent, Removed}, step{1, isGone, Asking, Removed}, step{askTime - 1, isGone, Asking, Removed}, step{1, isGone, Silent, Removed}),
		"removed, and back":        append(stop, step{removedPause, isGone, Asking, Removed}, step{1, isMember, Member, ""}),
		"removed, back unasked":    append(stop, step{1, isMember, Member, ""}),
		"removed, and revived":     append(stop, step{1, isRevived, Asking, Removed}, step{askTime, isGone, Silent, Removed}),
		"refused":                  append(refuse, step{refusedPause, isRefused, Asking, Refused}, step{askTime, isRefused, Silent, Refused}),
		"joining":                  {{0, isCutOff, "", ""}, {0, isMember, Member, ""}},
		"another node":             append(stop, step{1, isNewcomer, "", ""}, step{1, isMember, Member, ""}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, s := time.Now(), Standing{}
			for i, step := range steps {
				now = now.Add(step.after)
				s = s.next(step.e, now)
				if s.Phase != step.phase || s.Why != step.why {
					t.Fatalf("step %d: %+v", i, s)
				}
			}
		})
	}
}

// A silent node asks more and more rarely.
func TestStandingPauses(t *testing.T) {
	t.Parallel()
	for why, want := range map[Reason]string{
		Refused: "[1m0s 2m0s 4m0s 8m0s 16m0s 32m0s 1h0m0s 1h0m0s]",
		Removed: "[10m0s 20m0s 40m0s 1h0m0s 1h0m0s 1h0m0s 1h0m0s 1h0m0s]",
	} {
		now := time.Now()
		doubted := Standing{Node: 3, Phase: Doubted, Why: why, Since: now.Add(-time.Hour)}
		e := evidence{self: 3, gone: why == Removed}
		s, pauses := doubted, make([]time.Duration, 0, 8)
		for range 8 {
			s = s.next(e, now)
			pauses = append(pauses, s.again(now).Sub(now))
			now = s.again(now)
			s = s.next(e, now) // asking
			now = now.Add(askTime)
		}
		if got := fmt.Sprint(pauses); got != want {
			t.Errorf("%s: pauses %s, want %s", why, got, want)
		}
	}
}

func TestStandingAgain(t *testing.T) {
	t.Parallel()
	now := time.Now()
	since := now.Add(-time.Second)
	for _, c := range []struct {
		s    Standing
		want time.Time
	}{
		{Standing{}, time.Time{}},
		{Standing{Phase: Member, Since: since}, time.Time{}},
		{Standing{Phase: Doubted, Why: Removed, Since: since}, since.Add(goneTime)},
		{Standing{Phase: Doubted, Why: Refused, Since: since}, since.Add(refusedTime)},
		{Standing{Phase: Silent, Since: since, Pause: time.Hour}, since.Add(time.Hour)},
		{Standing{Phase: Asking, Since: since, Pause: time.Hour}, now.Add(askInterval)},
	} {
		if got := c.s.again(now); !got.Equal(c.want) {
			t.Errorf("%+v: %v, want %v", c.s, got, c.want)
		}
	}
}

func TestStandingFile(t *testing.T) {
	t.Parallel()
	m := &Machine{Files: host.NewFiles(t.TempDir())}
	must(t, os.MkdirAll(m.Files.StateDir(host.NodeAgent), 0o700))
	if s, err := m.Standing(); err != nil || s != (Standing{}) {
		t.Errorf("no file: %+v, %v", s, err)
	}
	want := Standing{Node: 3, Phase: Silent, Why: Removed, Since: time.Now().UTC().Round(0), Pause: time.Hour}
	must(t, m.setStanding(want))
	if s, err := m.Standing(); err != nil || s != want {
		t.Errorf("%+v, %v; want %+v", s, err, want)
	}
	info, err := os.Stat(m.standingNote().path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	must(t, os.WriteFile(m.standingNote().path, []byte("no JSON"), 0o600))
	if s, err := m.Standing(); err == nil || !strings.Contains(err.Error(), "membership") || s != (Standing{}) {
		t.Errorf("rubbish: %+v, %v", s, err)
	}
}
