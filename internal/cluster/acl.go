package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// localUsers belong to one node's Redis and are not shared within the cluster.
func localUsers() []string { return []string{"default", "cluster", "api-server"} }

// UserName is the ACL user of a node's agent.
func UserName(node int) string { return fmt.Sprintf("node/%d", node) }

// UserRules are the rules of a node agent's ACL user, as ACL SETUSER and ACL files
// take them. passwordHash is the SHA-256 of its password, in hex.
func UserRules(node int, passwordHash string) []string {
	name := UserName(node)
	return strings.Fields(fmt.Sprintf("on #%s resetkeys ~%s/* ~task/%s/* %%R~cluster/* %%R~node/* %%R~module/* "+
		"%%R~private/agents/* %%R~private/nodes/* resetchannels &progress/%s/* &%s/event/* "+
		"nocommands +@read +@write +@transaction +@connection +publish -@admin +psync +replconf",
		strings.ToLower(passwordHash), name, name, name, name))
}

// setUser is the command that makes, or makes anew, the ACL user of a node.
func setUser(node int, passwordHash string) []any {
	rules := strings.Join(UserRules(node, passwordHash), " ")
	return fields("ACL SETUSER " + UserName(node) + " reset " + rules)
}

func fields(command string) []any {
	var args []any
	for word := range strings.FieldsSeq(command) {
		args = append(args, word)
	}
	return args
}

// ShareACLs saves the users of this Redis and copies those of the cluster to
// its records: Redis itself does not replicate users.
func (s *Store) ShareACLs(ctx context.Context) error {
	users, err := s.users(ctx)
	if err != nil {
		return err
	}
	_, err = s.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Del(ctx, aclsKey)
		for _, user := range names(users) {
			pipe.SAdd(ctx, aclsKey, users[user])
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("copy ACL users to %s: %w", aclsKey, err)
	}
	return s.saveACLs(ctx)
}

// AdoptACLs replaces the users of this Redis by those in the cluster's records;
// its own local users stay. It reports whether anything changed.
func (s *Store) AdoptACLs(ctx context.Context) (bool, error) {
	lines, err := s.redis.SMembers(ctx, aclsKey).Result()
	if err != nil {
		return false, fmt.Errorf("read %s: %w", aclsKey, err)
	}
	wanted := byName(lines)
	if len(wanted) == 0 {
		return false, nil // no cluster, or none whose leader shares its users
	}
	present, err := s.users(ctx)
	if err != nil {
		return false, err
	}
	commands := userChanges(present, wanted)
	if len(commands) == 0 {
		return false, nil
	}
	var failures []error
	for _, command := range commands {
		if err := s.do(ctx, command...); err != nil {
			failures = append(failures, fmt.Errorf("adopt ACL user %v: %w", command[2], err))
		}
	}
	return true, errors.Join(errors.Join(failures...), s.saveACLs(ctx))
}

// userChanges are the commands that lead from the present users to the wanted ones.
func userChanges(present, wanted map[string]string) [][]any {
	var commands [][]any
	for _, name := range names(wanted) {
		if !sameUser(present[name], wanted[name]) {
			rules := strings.TrimPrefix(wanted[name], "user "+name)
			commands = append(commands, fields("ACL SETUSER "+name+" reset "+rules))
		}
	}
	for _, name := range names(present) {
		if _, stays := wanted[name]; !stays {
			commands = append(commands, fields("ACL DELUSER "+name))
		}
	}
	return commands
}

// users returns the shared users of this Redis: name to line of ACL LIST.
func (s *Store) users(ctx context.Context) (map[string]string, error) {
	lines, err := s.command(ctx, "ACL", "LIST").StringSlice()
	if err != nil {
		return nil, fmt.Errorf("list ACL users: %w", err)
	}
	return byName(lines), nil
}

// byName sorts out the lines "user NAME RULES…" of shared users.
func byName(lines []string) map[string]string {
	users := map[string]string{}
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) >= 2 && words[0] == "user" && !slices.Contains(localUsers(), words[1]) {
			users[words[1]] = line
		}
	}
	return users
}

func (s *Store) saveACLs(ctx context.Context) error {
	if err := s.do(ctx, "ACL", "SAVE"); err != nil {
		return fmt.Errorf("save ACL users: %w", err)
	}
	return nil
}

func (s *Store) command(ctx context.Context, args ...any) *redis.Cmd {
	return s.redis.Do(ctx, args...)
}

func (s *Store) do(ctx context.Context, args ...any) error { return s.command(ctx, args...).Err() }

func names(users map[string]string) []string { return slices.Sorted(maps.Keys(users)) }
