package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"cluster-agent/internal/host"
)

// connectPoll is how often a Redis that starts is tried again.
const connectPoll = 50 * time.Millisecond

// connect returns a connection with these credentials that has answered a PING.
func (r *run) connect(ctx context.Context, user, password string) (*redis.Client, error) {
	client := redis.NewClient(&redis.Options{
		Addr:     r.RedisAddress,
		Username: user,
		Password: password,
		Protocol: 2,
		// An answer that does not come is waited for here, not inside.
		MaxRetries:               -1,
		DialTimeout:              2 * time.Second,
		DialerRetries:            1,
		ContextTimeoutEnabled:    true,
		ReadTimeout:              r.RedisTimeout,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to Redis at %s: %w", r.RedisAddress, err), client.Close())
	}
	return client, nil
}

// waitRedis connects as user cluster, again and again until that succeeds, the
// error is a final one, or RedisTimeout has passed.
func (r *run) waitRedis(ctx context.Context, final func(error) bool) (*redis.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, r.RedisTimeout)
	defer cancel()
	ticker := time.NewTicker(connectPoll)
	defer ticker.Stop()
	for {
		client, err := r.connect(ctx, r.cluster.User, r.cluster.Password)
		if err == nil || final(err) {
			return client, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-ticker.C:
		}
	}
}

// restartRedis lets Redis read its files again and returns a connection to it.
func (r *run) restartRedis(ctx context.Context) (*redis.Client, error) {
	r.saveBeforeRestart(ctx)
	r.Log.Infof("restarting %s", host.RedisUnit)
	if err := r.Services.Restart(ctx, host.RedisUnit); err != nil {
		return nil, fmt.Errorf("%w; %s and its ACL file are written: start %s and repeat",
			err, r.Files.RedisConf(), host.RedisUnit)
	}
	client, err := r.waitRedis(ctx, isLoginRefused)
	if err != nil {
		return nil, fmt.Errorf("%w; see the log of %s: after its restart it does not let user %s in",
			err, host.RedisUnit, r.cluster.User)
	}
	return client, nil
}

// saveBeforeRestart keeps the data of a Redis that nobody told to save any. It
// can only be asked where the default user may: elsewhere someone has set Redis
// up, and has chosen what a restart loses.
func (r *run) saveBeforeRestart(ctx context.Context) {
	client, err := r.connect(ctx, "", "")
	if err == nil {
		err = errors.Join(save(ctx, client), client.Close())
	}
	if err != nil {
		r.Log.Infof("data of Redis is not saved by hand before its restart: %v", err)
	}
}

// save writes the data to disk before it returns; a save that is under way may
// have begun too early, so it is waited for and another one made.
func save(ctx context.Context, client *redis.Client) error {
	ticker := time.NewTicker(connectPoll)
	defer ticker.Stop()
	for {
		err := client.Save(ctx).Err()
		if err == nil {
			return nil
		}
		if !strings.Contains(err.Error(), "save already in progress") {
			return fmt.Errorf("save data of Redis: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("save data of Redis: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

// isLoginRefused tells a Redis that does not know the user or the password.
func isLoginRefused(err error) bool {
	return strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "NOAUTH")
}

// isLoading tells a Redis that is there, but still reads its data.
func isLoading(err error) bool {
	return strings.Contains(err.Error(), "LOADING")
}

func configGet(ctx context.Context, client *redis.Client, name string) (string, error) {
	values, err := client.ConfigGet(ctx, name).Result()
	if err != nil {
		return "", fmt.Errorf("read Redis setting %s: %w", name, err)
	}
	return values[name], nil
}
