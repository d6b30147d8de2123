package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/host"
)

// setRunning gives the running Redis what its file says now.
func (r *run) setRunning(ctx context.Context, client *redis.Client) error {
	for _, s := range r.settings("") {
		if s.boot {
			continue
		}
		have, err := configGet(ctx, client, s.name)
		if err != nil {
			return err
		}
		outcome := host.Kept
		if value := s.want(have); value != have {
			outcome = host.Changed
			if err = client.ConfigSet(ctx, s.name, value).Err(); err != nil {
				return fmt.Errorf("set Redis setting %s: %w", s.name, err)
			}
		}
		r.report.note(outcome, "Redis setting "+s.name)
	}
	return nil
}

// setData makes the first records of a cluster, if there are none, and has them
// on disk when it returns: a node id must not be given out twice.
func (r *run) setData(ctx context.Context, client *redis.Client, joined bool) error {
	if joined {
		r.report.note(host.Kept, "Redis data")
		return nil
	}
	sequence, err := client.SetNX(ctx, "cluster/node_sequence", 1, 0).Result()
	if err != nil {
		return fmt.Errorf("set cluster/node_sequence: %w", err)
	}
	leader, err := client.HSetNX(ctx, "cluster/environment", "NODE_ID", 1).Result()
	if err != nil {
		return fmt.Errorf("set NODE_ID of cluster/environment: %w", err)
	}
	r.report.note(createdIf(sequence), "Redis key cluster/node_sequence")
	r.report.note(createdIf(leader), "Redis key cluster/environment NODE_ID")
	if sequence || leader {
		return save(ctx, client)
	}
	return nil
}

func createdIf(created bool) host.Outcome {
	if created {
		return host.Created
	}
	return host.Kept
}

// redisOwner is the user and group that Redis runs as.
func (r *run) redisOwner() (*host.Owner, error) {
	account, err := user.Lookup(r.RedisUser)
	if err != nil {
		return nil, fmt.Errorf("look up the user Redis runs as: %w: install redis-server and repeat", err)
	}
	uid, errUID := strconv.Atoi(account.Uid)
	gid, errGID := strconv.Atoi(account.Gid)
	if err = errors.Join(errUID, errGID); err != nil {
		return nil, fmt.Errorf("look up user %s: %w", r.RedisUser, err)
	}
	return &host.Owner{UID: uid, GID: gid}, nil
}

// ensureRedisOwns lets Redis rewrite its configuration and its ACL file: it
// writes a temporary file beside them and renames. Others must not look into
// the directory, since Redis itself gives new files mode 0644 less its umask,
// and they hold passwords.
func (r *run) ensureRedisOwns(conf *redisConf) error {
	owner, err := r.redisOwner()
	if err != nil {
		return err
	}
	paths := []string{filepath.Dir(r.Files.RedisConf()), r.Files.RedisConf(), r.usersFile(conf)}
	for _, path := range paths {
		outcome, ownErr := own(path, *owner)
		if errors.Is(ownErr, fs.ErrNotExist) {
			continue
		}
		if ownErr != nil {
			return fmt.Errorf("give %s to user %s: %w", path, r.RedisUser, ownErr)
		}
		r.report.note(outcome, path)
	}
	return nil
}

// own changes the owner where it is another, and closes a directory to others.
func own(path string, owner host.Owner) (host.Outcome, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	outcome := host.Kept
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != owner.UID {
		outcome = host.Changed
		if err = os.Chown(path, owner.UID, owner.GID); err != nil {
			return "", err
		}
	}
	if info.IsDir() && info.Mode()&0o007 != 0 {
		outcome = host.Changed
		err = os.Chmod(path, info.Mode()&^0o007)
	}
	return outcome, err
}
