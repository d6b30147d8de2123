package redisq

import (
	"sync"

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
	if !h.away {
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
