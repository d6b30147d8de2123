package redisq

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// kept is a link and the connection of who has one exchange with Redis after another. To take that
// from the pool for each of them, which asks the system every time whether Redis has closed it, is
// 4 % of an agent's processor time under load: only one that has rested is taken anew.
type kept struct {
	*link

	// Of the one goroutine that takes it.
	client *redis.Client // that conn is of
	conn   *redis.Conn   // nil: none was taken yet
	used   time.Time     // when it was taken last
}

// restTime is how long a connection may rest before it is looked at. A Redis that closes
// idle ones (timeout in redis.conf, in seconds) closes none sooner.
const restTime = time.Second

// take returns the connection, and the client that it goes with when that is dropped.
func (k *kept) take() (*redis.Client, *redis.Conn) {
	client, now := k.get(), time.Now()
	if client == k.client && now.Sub(k.used) > restTime {
		if k.conn.Close() != nil { // it was not given back, and nobody else could use it
			k.drop(client)
			client = k.get()
		}
		k.client = nil
	}
	if client != k.client { // those of a client that was dropped are closed
		k.client, k.conn = client, client.Conn()
	}
	k.used = now
	return k.client, k.conn
}
