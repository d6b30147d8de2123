package redisq

import (
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"
)

// health keeps the log quiet while Redis is away: one line when it goes, one
// when it is back.
type health struct {
	mu   sync.Mutex
	away bool
	what string
	log  *logrus.Entry
}

func (h *health) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.away:
	case becameReplica(err):
		h.log.Infof("%s: is a replica, waiting until it is a master or another is", h.what)
	default:
		h.log.Warnf("%s: not available, waiting for it: %v", h.what, err)
	}
	h.away = true
}

func (h *health) worked() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		h.log.Infof("%s: available again", h.what)
	}
	h.away = false
}

// becameReplica tells the errors of a Redis that turns, or has turned, from
// master to replica. For a worker's Redis this is how it should be.
func becameReplica(err error) bool {
	return redis.IsReadOnlyError(err) || redis.HasErrorPrefix(err, "UNBLOCKED")
}
