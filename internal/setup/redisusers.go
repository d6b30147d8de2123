package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/host"
)

// usersFile is the ACL file that the configuration names, or else ours.
func (r *run) usersFile(conf *redisConf) string {
	if path, _ := conf.get("aclfile"); path != "" {
		return path
	}
	return r.Files.RedisUsers()
}

func (r *run) readUsers(conf *redisConf) ([]aclUser, error) {
	text, err := os.ReadFile(r.usersFile(conf))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseUsers(strings.Split(string(text), "\n")), nil
}

// confUsers are those that a Redis without ACL file has in its configuration.
func confUsers(conf *redisConf) []aclUser {
	var users []aclUser
	for _, words := range conf.all("user") {
		if len(words) > 0 {
			users = append(users, aclUser{words[0], words[1:]})
		}
	}
	return users
}

// mergeUsers joins lists; of one name, the first is taken.
func mergeUsers(lists ...[]aclUser) []aclUser {
	var users []aclUser
	for _, list := range lists {
		for _, user := range list {
			if _, ok := findUser(users, user.name); !ok {
				users = append(users, user)
			}
		}
	}
	return users
}

// checkClusterUser refuses before anything is written what would end in a Redis
// that the cluster agent cannot log in to.
func (r *run) checkClusterUser(have []aclUser, conf *redisConf) error {
	user, ok := findUser(have, r.cluster.User)
	if !ok || user.accepts(r.cluster.Password) {
		return nil
	}
	return fmt.Errorf("user %s of Redis (%s) has another password than REDIS_PASSWORD in %s: "+
		"write its password there, or delete the user, and repeat",
		r.cluster.User, r.usersFile(conf), r.Files.StateAgentEnv(host.ClusterAgent))
}

// neededUsers are those of every node, and the first node's own agent before it
// has joined anything: after that its users come from cluster/acls.
func (r *run) neededUsers(ctx context.Context, have []aclUser, joined bool) ([]aclUser, error) {
	need := []aclUser{clusterUser(r.cluster.Password), defaultUser()}
	apiServer, found := findUser(have, "api-server")
	if !found {
		password, err := r.apiServerPassword(ctx)
		if err != nil {
			return nil, err
		}
		apiServer = apiServerUser(password)
	}
	need = append(need, apiServer)
	if !joined {
		need = append(need, nodeUser(r.nodeID, r.node.Password))
	}
	return need, nil
}

// apiServerPassword makes one where none is: an API server whose user exists has
// its password from who made the user.
func (r *run) apiServerPassword(ctx context.Context) (string, error) {
	path := r.Files.APIServerEnv()
	err := r.ensureVars(ctx, path, host.Secret(), []host.Var{
		{Name: "REDIS_USER", Value: "api-server"},
		{Name: "REDIS_PASSWORD", Value: rand.Text()},
	})
	if err != nil {
		return "", err
	}
	vars, err := host.ReadEnv(path)
	return vars["REDIS_PASSWORD"], err
}

// writeUsers completes the ACL file of a Redis that is to be restarted.
func (r *run) writeUsers(ctx context.Context, conf *redisConf, have []aclUser) error {
	need, err := r.neededUsers(ctx, have, r.joinedByFiles(conf))
	if err != nil {
		return err
	}
	plan := planUsers(have, need)
	var text strings.Builder
	for _, user := range applyUsers(have, plan) {
		text.WriteString(user.line())
	}
	owner, err := r.redisOwner()
	if err != nil {
		return err
	}
	path := r.usersFile(conf)
	outcome, err := host.WriteFile(path, []byte(text.String()), host.Attr{Perm: 0o640, Owner: owner})
	if err != nil {
		return err
	}
	r.report.note(outcome, path)
	r.noteUsers(plan)
	return nil
}

// setUsers completes the users of a running Redis and saves them.
func (r *run) setUsers(ctx context.Context, client *redis.Client, joined bool) error {
	have, err := listUsers(ctx, client)
	if err != nil {
		return err
	}
	need, err := r.neededUsers(ctx, have, joined)
	if err != nil {
		return err
	}
	r.warnNodePassword(have, joined)
	plan := planUsers(have, need)
	changed := false
	for _, change := range plan {
		if !change.outcome.Changed() {
			continue
		}
		changed = true
		rules := append([]string{"reset"}, change.user.rules...)
		if err = client.ACLSetUser(ctx, change.user.name, rules...).Err(); err != nil {
			return fmt.Errorf("set Redis user %s: %w", change.user.name, err)
		}
	}
	r.noteUsers(plan)
	if !changed {
		return nil
	}
	if err = client.Do(ctx, "ACL", "SAVE").Err(); err != nil {
		return fmt.Errorf("save Redis users: %w", err)
	}
	return nil
}

func (r *run) noteUsers(plan []userChange) {
	for _, change := range plan {
		r.report.note(change.outcome, "Redis user "+change.user.name)
	}
}

// warnNodePassword names a fault that is not for setup to mend, because others
// may know the password that Redis has.
func (r *run) warnNodePassword(have []aclUser, joined bool) {
	user, found := findUser(have, r.node.User)
	if found && !joined && !user.accepts(r.node.Password) {
		r.Log.Warnf("Redis user %s has another password than REDIS_PASSWORD in %s: the node agent cannot log in",
			r.node.User, r.Files.StateAgentEnv(host.NodeAgent))
	}
}

func listUsers(ctx context.Context, client *redis.Client) ([]aclUser, error) {
	lines, err := client.ACLList(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("list Redis users: %w", err)
	}
	return parseUsers(lines), nil
}
