package redisq

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// kept is the connection of who has one exchange with Redis after another. To take it from the
// pool for each of them, which asks the system every time whether Redis has closed it, is a tenth of
// what an exchange costs the agent: only one that has rested is taken anew. It is for one goroutine.
type kept struct {
	link *link

	client *redis.Client // that conn is of
	conn   *redis.Conn   // nil: none was taken yet
	used   time.Time     // when it was asked for last
}

// restTime is how long a connection may rest before its next use. Redis closes none sooner that
// it has got something over, unless it ends.
const restTime = time.Second

// get returns the connection, and its client, which can be dropped.
func (k *kept) get() (*redis.Client, *redis.Conn) {
	now, client := time.Now(), k.link.get()
	if client != k.client {
		k.client, k.conn = client, client.Conn() // those of a client that was dropped are closed
	} else if now.Sub(k.used) > restTime {
		k.conn.Close()
		k.conn = client.Conn()
	}
	k.used = now
	return k.client, k.conn
}
