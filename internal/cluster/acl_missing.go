package cluster

import (
	"context"
	"fmt"
)

// MissingUsers names the users in the cluster's records that this Redis does not
// have, or has with other rights, sorted.
func (s *Store) MissingUsers(ctx context.Context) ([]string, error) {
	shared, present, err := s.bothUsers(ctx)
	return lacking(present, shared), err
}

// UnsharedUsers names the users of this Redis that the cluster's records do not have,
// or have with other rights, sorted: a new leader would not know them.
func (s *Store) UnsharedUsers(ctx context.Context) ([]string, error) {
	shared, present, err := s.bothUsers(ctx)
	return lacking(shared, present), err
}

// bothUsers are the users in the records, and those of this Redis.
func (s *Store) bothUsers(ctx context.Context) (shared, present map[string]string, err error) {
	lines, err := s.redis.SMembers(ctx, aclsKey).Result()
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", aclsKey, err)
	}
	present, err = s.users(ctx)
	return byName(lines), present, err
}

// lacking names the users that are wanted and not there as they should be.
func lacking(there, wanted map[string]string) []string {
	lacking := []string{}
	for _, name := range names(wanted) {
		if !sameUser(there[name], wanted[name]) {
			lacking = append(lacking, name)
		}
	}
	return lacking
}
