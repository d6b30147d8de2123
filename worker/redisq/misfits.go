package redisq

import (
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"
)

// misfits are keys that should be lists of tasks, and that somebody has made something else. Each is
// named once: only a person can tell what it is good for.
type misfits struct {
	log *logrus.Entry

	mu   sync.Mutex
	told map[string]bool
}

func (m *misfits) tell(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told[key] {
		return
	}
	m.told[key] = true
	m.log.Warnf("Redis key %s should hold tasks in progress, but is no list; delete it", key)
}

// isWrongType tells whether Redis refused a command because of what kind of value a key holds.
func isWrongType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }
