package cluster

import (
	"slices"
	"testing"
)

// Users that were made on the leader by hand are not shared; those that a replica has not
// taken over are missing there; the local ones of each are neither.
func TestUsersOfANewLeader(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	ctx, replica := t.Context(), NewStore(p.replica.Client())
	want := func(what string, got []string, err error, names ...string) {
		t.Helper()
		if err != nil || !slices.Equal(got, names) {
			t.Errorf("%s: %v, %v, want %v", what, got, err, names)
		}
	}
	must(t, p.store.ShareACLs(ctx))
	must(t, p.client.Do(ctx, "ACL", "SETUSER", "module/mail1", "on", ">secret", "~module/mail1/*", "+@read").Err())
	unshared, err := p.store.UnsharedUsers(ctx)
	want("not shared", unshared, err, "module/mail1")
	must(t, p.store.ShareACLs(ctx))
	must(t, p.store.WaitReplica(ctx, p.replica.Addr.String()))
	unshared, err = p.store.UnsharedUsers(ctx)
	want("shared", unshared, err)
	missing, err := replica.MissingUsers(ctx)
	want("not taken over", missing, err, "module/mail1")
	_, err = replica.AdoptACLs(ctx)
	must(t, err)
	missing, err = replica.MissingUsers(ctx)
	want("taken over", missing, err)
}
