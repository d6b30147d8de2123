package redisq

import (
	"errors"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"
)

// health keeps the log quiet while Redis is away, and while it does not permit a command: one line
// when that begins, one when it is over.
//
// Redis is away while any of those who use it says so, for it may give tasks and refuse their
// results. A command that is not permitted is not that: what it was for may be done another way.
type health struct {
	what string
	log  *logrus.Entry

	mu     sync.Mutex
	away   map[use]bool
	denied map[string]bool // commands, or what they are for
}

// use is what Redis is needed for.
type use int

const (
	reading use = iota // of tasks or events
	writing
)

func newHealth(what string, log *logrus.Entry) *health {
	return &health{what: what, log: log, away: map[use]bool{}, denied: map[string]bool{}}
}

// failed notes that a use got no answer, or one that it cannot go on with.
func (h *health) failed(u use, err error) {
	if isDenied(err) {
		return // see permission
	}
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

// permission notes whether Redis permits something, which err tells; any other error says nothing about it.
func (h *health) permission(to string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case isDenied(err):
		if !h.denied[to] {
			h.denied[to] = true
			h.log.Warnf("%s: does not permit %s, waiting until it does: %v", h.what, to, err)
		}
	case (err == nil || errors.Is(err, redis.Nil)) && h.denied[to]:
		delete(h.denied, to)
		h.log.Infof("%s: permits %s now", h.what, to)
	}
}

// permissions notes which commands Redis permits.
func (h *health) permissions(commands []*redis.Cmd) {
	h.mu.Lock()
	denying := len(h.denied) > 0
	h.mu.Unlock()
	for _, command := range commands {
		err := command.Err()
		if denying && command.Val() != nil { // a broken connection gives its error to those with a reply, too
			err = nil
		}
		if denying || isDenied(err) {
			h.permission(command.Name(), err)
		}
	}
}

// isDenied tells whether Redis does not let this user run a command, whatever its keys are.
func isDenied(err error) bool {
	return redis.IsPermissionError(err) && strings.Contains(err.Error(), "permissions to run the '")
}

// becameReplica tells the errors of a Redis that turns, or has turned, from
// master to replica. For a worker's Redis this is how it should be.
func becameReplica(err error) bool {
	return redis.IsReadOnlyError(err) || redis.HasErrorPrefix(err, "UNBLOCKED")
}
