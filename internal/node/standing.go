package node

import "time"

// Standing is what this node knows of its own membership in the cluster. See the
// package comment for what makes it change.
type Standing struct {
	// Node is the id under which the node was last seen to be a member; 0: never.
	Node  int    `json:"node"`
	Phase Phase  `json:"phase"`
	Why   Reason `json:"why,omitempty"`
	// Since is when the phase began.
	Since time.Time `json:"since"`
	// Pause is how long a silent node waits until it asks again.
	Pause time.Duration `json:"pause,omitempty"`
}

// Phase is how far a node has come that may be no member any more.
type Phase string

// The phases. A node of which nothing is known is in none.
const (
	Joining Phase = "joining" // its records are not applied before they are known to be those of its cluster
	Member  Phase = "member"
	Doubted Phase = "doubted" // there is evidence against it, but not for long
	Silent  Phase = "silent"  // it sends nothing
	Asking  Phase = "asking"  // it was silent, and tries again for a moment
)

// Reason is what speaks against a membership.
type Reason string

// The reasons.
const (
	Removed Reason = "removed" // the cluster's records do not hold the node
	Refused Reason = "refused" // the leader's Redis refuses the node's password
)

// evidence is what can be known of the membership at one moment.
type evidence struct {
	self    int
	member  bool // the node's record is in a Redis that is in sync, or in the leader's own
	gone    bool // the record is missing among records that are otherwise whole
	refused bool // the leader answers and refuses the password
	revived bool // somebody has given the silent interface an endpoint
}

// Times of the phases.
const (
	// goneTime lets a removal, or a change of records by hand, come to its end.
	goneTime = 10 * time.Second
	// refusedTime is longer than a switch of the leader takes, after which the new
	// one may not have the node's user yet.
	refusedTime = time.Minute
	// askTime is enough for a handshake that has to be repeated, and Redis' answer.
	askTime     = 15 * time.Second
	askInterval = 3 * time.Second
	// The pause between two times of asking doubles each time.
	refusedPause = time.Minute
	removedPause = 10 * time.Minute
	maxPause     = time.Hour
)

// next is the standing after new evidence. It is pure.
func (s Standing) next(e evidence, now time.Time) Standing {
	if s.Node != e.self && s.Phase != Joining {
		s = Standing{} // what was known of another node
	}
	switch {
	case e.member:
		return s.enter(Member, "", now).as(e.self)
	case s.Phase == Member && e.gone:
		return s.enter(Doubted, Removed, now)
	case s.Phase == Member && e.refused:
		return s.enter(Doubted, Refused, now)
	case s.Phase == Doubted:
		return s.doubt(e, now)
	case s.Phase == Silent && (e.revived || now.Sub(s.Since) >= s.Pause):
		return s.enter(Asking, s.Why, now)
	case s.Phase == Asking && now.Sub(s.Since) >= askTime:
		return s.enter(Silent, s.Why, now)
	}
	return s
}

func (s Standing) doubt(e evidence, now time.Time) Standing {
	age := now.Sub(s.Since)
	switch {
	case s.Why == Removed && e.gone:
		if age >= goneTime {
			return s.enter(Silent, Removed, now)
		}
	case e.gone:
		return s.enter(Doubted, Removed, now)
	case s.Why == Removed && e.refused:
		return s.enter(Doubted, Refused, now)
	case s.Why == Removed:
		return s.enter(Member, "", now)
	case age >= refusedTime:
		// Refused, and not let in since: a hub that drops the node's peer right
		// after its user can be asked once.
		return s.enter(Silent, Refused, now)
	}
	return s
}

// enter changes the phase, if it is another.
func (s Standing) enter(phase Phase, why Reason, now time.Time) Standing {
	if s.Phase == phase && s.Why == why {
		return s
	}
	next := Standing{Node: s.Node, Phase: phase, Why: why, Since: now}
	if phase == Silent || phase == Asking {
		next.Pause = pauseAfter(s, phase, why)
	}
	return next
}

func pauseAfter(s Standing, phase Phase, why Reason) time.Duration {
	switch {
	case phase == Asking:
		return s.Pause
	case s.Phase == Asking:
		return min(2*s.Pause, maxPause)
	case why == Removed:
		return removedPause
	default:
		return refusedPause
	}
}

func (s Standing) as(node int) Standing {
	s.Node = node
	return s
}

// applies says whether the records are to be applied to the VPN. In those of a
// machine that is about to join another cluster, or to join again, is what it was
// before; those of a removed node do not speak of it.
func (s Standing) applies() bool {
	return s.Phase != Joining && s.Phase != Silent && s.Why != Removed
}

// again is when the standing has to be looked at again; zero: whenever.
func (s Standing) again(now time.Time) time.Time {
	switch {
	case s.Phase == Doubted && s.Why == Removed:
		return s.Since.Add(goneTime)
	case s.Phase == Doubted:
		return s.Since.Add(refusedTime)
	case s.Phase == Asking:
		return now.Add(askInterval)
	case s.Phase == Silent:
		return s.Since.Add(s.Pause)
	case s.Phase == Member, s.Phase == Joining:
	}
	return time.Time{}
}

// standingFile is in the state directory of the node agent.
const standingFile = "membership.json"

func (m *Machine) standingNote() note { return m.note(standingFile, "this node's membership") }

// Standing reads what this node knows of its membership; the zero Standing if it
// never was a member.
func (m *Machine) Standing() (Standing, error) {
	var s Standing
	if err := m.standingNote().read(&s); err != nil {
		return Standing{}, err
	}
	return s, nil
}

func (m *Machine) setStanding(s Standing) error { return m.standingNote().write(s) }
