package redisq

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// kept is a link and the connection of who has one exchange with Redis after another. To take that
// from the pool for each of them, which asks the system every time whether Redis has closed it, is
// 3 % of an agent's processor time under load: only one that has rested is taken anew.
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
	now := time.Now()
	if now.Sub(k.used) > restTime {
		k.giveBack()
	}
	if client := k.get(); client != k.client { // those of a client that was dropped are closed
		k.client, k.conn = client, client.Conn()
	}
	k.used = now
	return k.client, k.conn
}

// giveBack gives the connection back to the pool, which closes one that is of no use any more.
// That is to be done after an error, and be it a refusal: go-redis gives up a connection to a
// replica, and has the next pipelines fail with that refusal, without a word to their commands.
func (k *kept) giveBack() {
	if k.conn != nil && k.conn.Close() != nil { // nobody else could use it
		k.drop(k.client)
	}
	k.client, k.conn = nil, nil
}
