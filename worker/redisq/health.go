package redisq

import (
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"
)

// health keeps the log quiet while Redis is away: one line when it goes, one
// when it is back. It is away while any of those who use it says so, for a Redis
// may give tasks and refuse their results.
type health struct {
	mu     sync.Mutex
	away   map[use]bool
	denied denials
	told   map[trouble]bool // since it was well
	what   string
	log    *logrus.Entry
}

// use is what Redis is needed for.
type use int

const (
	reading use = iota // of tasks or events
	writing
	looking // for what other instances left
)

// trouble is what one line tells.
type trouble int

const (
	absence trouble = iota
	denial
)

func newHealth(what string, log *logrus.Entry) *health {
	return &health{away: map[use]bool{}, denied: denials{}, told: map[trouble]bool{}, what: what, log: log}
}

func (h *health) failed(u use, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away[u] = true
	kind := absence
	if redis.IsPermissionError(err) {
		kind = denial
	}
	if h.told[kind] {
		return
	}
	h.told[kind] = true
	switch {
	case kind == denial:
		h.log.Warnf("%s: does not permit what is needed, waiting until it does: %v", h.what, err)
	case becameReplica(err):
		h.log.Infof("%s: is a replica, waiting until it is a master or another is", h.what)
	default:
		h.log.Warnf("%s: not available, waiting for it: %v", h.what, err)
	}
}

// heard notes which commands Redis permits: as long as one is known to be denied, all is not well,
// whatever else works.
func (h *health) heard(commands []*redis.Cmd) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.denied.note(commands)
}

func (h *health) worked(u use) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.away[u] || len(h.denied) > 0 {
		return
	}
	delete(h.away, u)
	if len(h.away) == 0 {
		clear(h.told)
		h.log.Infof("%s: available again", h.what)
	}
}

// becameReplica tells the errors of a Redis that turns, or has turned, from
// master to replica. For a worker's Redis this is how it should be.
func becameReplica(err error) bool {
	return redis.IsReadOnlyError(err) || redis.HasErrorPrefix(err, "UNBLOCKED")
}
