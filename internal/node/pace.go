package node

import "time"

// situation is what the local Redis says of itself.
type situation struct {
	known   bool   // it answers
	leader  string // whom it follows; empty: it is the master
	linkUp  bool
	silent  bool // the master does not make itself heard
	copying bool // it is about to be in sync
	// followers is how many follow it, if it is the master: one whom nobody follows any
	// more may have been overtaken.
	followers int
	// recorded is the leader's node id by the records, 0 if there is none: events of
	// a switch can be missed.
	recorded int
}

// pace decides when a keeper runs.
type pace struct {
	began    time.Time // when the keeping began
	now      situation
	answered situation // how Redis was when it answered last: it may come back as something else
	news     bool      // the situation has changed since the last run

	nudged bool // events may have been missed
	moved  bool // the host's network has changed
	calm   time.Duration
	last   time.Time // end of the last run; zero: there was none
	again  time.Time // when that one wants another; zero: whenever
}

// sees takes a situation in. It tells whether Redis has another master than
// when it was heard last.
func (p *pace) sees(now situation) (leaderChanged bool) {
	p.news = p.news || now != p.now
	p.now = now
	if !now.known {
		return false
	}
	leaderChanged = p.answered.known && now.leader != p.answered.leader
	p.answered = now
	return leaderChanged
}

// due says whether to run now.
func (p *pace) due(now time.Time) bool {
	if !p.now.known || p.last.IsZero() && !p.ready(now) {
		return false
	}
	since := now.Sub(p.last)
	switch {
	case p.news, p.nudged, since >= settleInterval:
		return true
	case p.moved:
		return since >= p.calm
	default:
		return !p.again.IsZero() && !now.Before(p.again) && since >= roleInterval
	}
}

// ready says whether the first run can be made: the records are those of the
// leader, or nobody knows how long they will not be.
func (p *pace) ready(now time.Time) bool {
	wait := cutOffTime
	if p.now.copying {
		wait = copyingTime
	}
	return p.now.leader == "" || p.now.linkUp || now.Sub(p.began) >= wait
}

// ran takes a run in that has ended now. Runs for the sake of the host's network
// that find something to do each time become rarer: somebody else wants it
// otherwise, and nobody wins.
func (p *pace) ran(now time.Time, o outcome) {
	switch {
	case !o.changed:
		p.calm = 0
	case p.moved:
		p.calm = min(max(2*p.calm, roleInterval), maxCalm)
	}
	p.last, p.again = now, o.again
	p.news, p.nudged, p.moved = false, false, false
}
