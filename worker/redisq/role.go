package redisq

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// errReplica has the form of Redis' own refusal, so that it is treated the same.
var errReplica = replicaError{errors.New("READONLY this Redis is a replica")}

type replicaError struct{ error }

// RedisError makes it a [redis.Error].
func (replicaError) RedisError() {}

// IsMaster asks a Redis whether it is a master. HELLO tells the role to every
// user, while ROLE is forbidden to most.
func IsMaster(ctx context.Context, client *redis.Client) (bool, error) {
	role, err := helloRole(ctx, client)
	return role == "master", err
}

func helloRole(ctx context.Context, client asker) (string, error) {
	reply, err := client.Do(ctx, "HELLO").Slice()
	if err != nil {
		return "", fmt.Errorf("ask for the role: %w", err)
	}
	for i := 0; i+1 < len(reply); i += 2 {
		if role, ok := reply[i+1].(string); ok && reply[i] == "role" {
			return role, nil
		}
	}
	return "", errors.New("ask for the role: HELLO did not tell it")
}

// asker is a client or one of its connections.
type asker interface {
	Do(ctx context.Context, args ...any) *redis.Cmd
}
