package redisq

import (
	"errors"

	"github.com/redis/go-redis/v9"
)

// denials are the commands that Redis does not permit to this user. What was refused for that reason may
// go another way, so that only the command itself tells that it is permitted again.
type denials map[string]bool

// note learns from the replies to commands.
func (d denials) note(commands []*redis.Cmd) {
	for _, command := range commands {
		switch err := command.Err(); {
		case redis.IsPermissionError(err):
			d[command.Name()] = true
		case err == nil && command.Val() != nil, errors.Is(err, redis.Nil):
			delete(d, command.Name())
		}
	}
}
