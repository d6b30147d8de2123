package redistest

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Quiet drops what go-redis prints by itself; tests that stop servers are full
// of it. It is for TestMain, before anything connects.
func Quiet() { redis.SetLogger(quiet{}) }

type quiet struct{}

// Printf drops a line.
func (quiet) Printf(context.Context, string, ...any) {}
