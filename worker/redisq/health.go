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
	mu   sync.Mutex
	away map[use]bool
	what string
	log  *logrus.Entry
}

// use is what Redis is needed for.
type use int

const (
	reading use = iota // of tasks or events
	writing
)

func newHealth(what string, log *logrus.Entry) *health {
	return &health{away: map[use]bool{}, what: what, log: log}
}

func (h *health) failed(u use, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case len(h.away) > 0:
	case becameReplica(err):
		h.log.Infof("%s: is a replica, waiting until it is a master or another is", h.what)
	default:
		h.log.Warnf("%s: not available, waiting for it: %v", h.what, err)
	}
	h.away[u] = true
}

func (h *health) worked(u use) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.away[u] {
		return
	}
	delete(h.away, u)
	if len(h.away) == 0 {
		h.log.Infof("%s: available again", h.what)
	}
}

// becameReplica tells the errors of a Redis that turns, or has turned, from
// master to replica. For a worker's Redis this is how it should be.
func becameReplica(err error) bool {
	return redis.IsReadOnlyError(err) || redis.HasErrorPrefix(err, "UNBLOCKED")
}
