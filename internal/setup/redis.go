package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/host"
)

// redis brings the local Redis to what a node needs. An ACL file cannot be set
// while Redis runs, so a Redis that has none, or does not know the user cluster,
// is configured by its files and restarted; any other only gets through the
// connection what it lacks.
func (r *run) redis(ctx context.Context) (err error) {
	conf, err := r.readConf()
	if err != nil {
		return err
	}
	client, err := r.firstConnection(ctx, conf)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if err = r.ensureRedisOwns(conf); err != nil {
		return err
	}
	joined, err := r.joined(ctx, conf, client)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return r.writeConf(conf, false) },
		func() error { return r.setRunning(ctx, client) },
		func() error { return r.setUsers(ctx, client, joined) },
		func() error { return r.setData(ctx, client, joined) },
	} {
		if err = step(); err != nil {
			return err
		}
	}
	return nil
}

// firstConnection returns a connection as user cluster to a Redis that keeps
// its users in an ACL file, and makes Redis such a one if it is not.
func (r *run) firstConnection(ctx context.Context, conf *redisConf) (*redis.Client, error) {
	client, err := r.waitRedis(ctx, func(err error) bool { return !isLoading(err) })
	if err != nil && isLoading(err) {
		return nil, fmt.Errorf("%w: wait until it has read its data and repeat", err)
	}
	if err != nil {
		r.Log.Infof("Redis at %s is not prepared: %v", r.RedisAddress, err)
		return r.prepareFiles(ctx, conf, nil)
	}
	aclfile, err := configGet(ctx, client, "aclfile")
	if err == nil && aclfile != "" {
		return client, nil
	}
	var live []aclUser
	if err == nil {
		live, err = listUsers(ctx, client)
	}
	if err = errors.Join(err, client.Close()); err != nil {
		return nil, err
	}
	return r.prepareFiles(ctx, conf, live)
}

// prepareFiles writes the ACL file and the configuration, restarts Redis, and
// waits until it lets the user cluster in. The live users are those of a Redis
// that would forget them.
func (r *run) prepareFiles(ctx context.Context, conf *redisConf, live []aclUser) (*redis.Client, error) {
	if err := r.ensureRedisOwns(conf); err != nil {
		return nil, err
	}
	inFile, err := r.readUsers(conf)
	if err != nil {
		return nil, err
	}
	_, clusterKnown := findUser(inFile, r.cluster.User)
	_, hasFile := conf.get("aclfile")
	have := mergeUsers(inFile, confUsers(conf), live)
	if err = r.checkClusterUser(have, conf); err != nil {
		return nil, err
	}
	// The ACL file first: Redis does not start if it is told of one that is not there.
	if err = r.writeUsers(ctx, conf, have); err != nil {
		return nil, err
	}
	if err = r.writeConf(conf, !hasFile || !clusterKnown); err != nil {
		return nil, err
	}
	return r.restartRedis(ctx)
}

func (r *run) readConf() (*redisConf, error) {
	text, err := os.ReadFile(r.Files.RedisConf())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: install redis-server and repeat", err)
	}
	if err != nil {
		return nil, err
	}
	return parseConf(string(text)), nil
}

// writeConf edits the configuration and writes it, if that changes anything.
func (r *run) writeConf(conf *redisConf, withBoot bool) error {
	changed := editConf(conf, r.settings(r.usersFile(conf)), withBoot)
	if withBoot {
		// Redis refuses to start with users in both files.
		conf.drop("user", func([]string) bool { return true })
	}
	outcome, err := host.WriteFile(r.Files.RedisConf(), []byte(conf.String()), host.Attr{Perm: 0o640})
	if err != nil {
		return err
	}
	r.report.note(outcome, r.Files.RedisConf())
	for _, name := range changed {
		r.report.note(host.Changed, "Redis setting "+name)
	}
	return nil
}

// joined says whether the cluster, and no longer this setup, decides on users
// and records of nodes: the node is a later one, or follows a master.
func (r *run) joined(ctx context.Context, conf *redisConf, client *redis.Client) (bool, error) {
	if r.joinedByFiles(conf) {
		return true, nil
	}
	role, err := client.Do(ctx, "ROLE").Slice()
	if err != nil {
		return false, fmt.Errorf("ask Redis for its role: %w", err)
	}
	return len(role) == 0 || role[0] != "master", nil
}

func (r *run) joinedByFiles(conf *redisConf) bool {
	master, _ := conf.get("replicaof")
	return r.nodeID != 1 || (master != "" && master != "no one")
}
