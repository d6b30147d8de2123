package node

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/internal/redistest"
	"cluster-agent/vpn"
)

// pair is node 2, a worker, and its leader's Redis.
type pair struct {
	*Machine
	t       *testing.T
	leader  *redistest.Server
	records *cluster.Store // the leader's
	redis   *redis.Client  // the leader's
	local   *redistest.Server
	log     *strings.Builder
}

// network has the addresses of all Redis servers of tests.
const network = "127.0.0.0/8"

// newPair makes a cluster of two nodes; node 2's Redis follows as user node/2, as
// those of real nodes do.
func newPair(t *testing.T) *pair {
	t.Helper()
	m, local, _ := newMachine(t, 2)
	p := &pair{Machine: m, t: t, leader: redistest.Start(t), local: local, log: &strings.Builder{}}
	m.Log.Logger.SetOutput(p.log)
	p.redis = p.leader.Client()
	p.records = cluster.NewStore(p.redis)
	ctx, key := t.Context(), newLeader(t, "").PublicKey
	must(t, p.records.Create(ctx, network, vpn.Node{ID: 1, PublicKey: key, Address: p.leader.Addr}, "uuid"))
	p.add()
	must(t, p.follow())
	p.local.Eventually("be in sync", func() bool { return p.role().LinkUp })
	p.leader.Eventually("count its replica", func() bool { // which can take a second more
		role, err := p.records.Role(ctx)
		return err == nil && len(role.Replicas) == 1
	})
	return p
}

// add makes, or makes again, node 2's records and user.
func (p *pair) add() {
	p.t.Helper()
	node := vpn.Node{ID: 2, PublicKey: newLeader(p.t, "").PublicKey, Address: p.local.Addr}
	must(p.t, p.records.AddNode(p.t.Context(), cluster.NewNode{Node: node, PasswordHash: redistest.PasswordHash()}))
}

func (p *pair) follow() error {
	return p.Redis(func(store *cluster.Store) error {
		if err := store.Login(p.t.Context(), "node/2", redistest.Password); err != nil {
			return err
		}
		return store.Follow(p.t.Context(), p.leader.Addr)
	})
}

func (p *pair) role() cluster.Role {
	p.t.Helper()
	role, err := p.Role(p.t.Context())
	must(p.t, err)
	return role
}

// cut waits until the link to the leader is down.
func (p *pair) cut() {
	p.t.Helper()
	p.local.Eventually("be cut off", func() bool { return !p.role().LinkUp })
}

func (p *pair) weighed(standing Standing) evidence {
	p.t.Helper()
	var e evidence
	must(p.t, p.with(func(s *session) error {
		var err error
		e, err = p.weigh(p.t.Context(), s, standing)
		return err
	}))
	return e
}

func (p *pair) wants(what string, want evidence) {
	p.t.Helper()
	want.self = 2
	if got := p.weighed(Standing{Node: 2, Phase: Member}); got != want {
		p.t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// A removed node's replica learns that the record is gone, although its user goes, too.
func TestWeighRemoval(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.wants("a member", evidence{member: true})
	must(t, p.redis.LPush(t.Context(), "node/2/tasks", "left").Err())
	// As the agent does it: on one connection, which Redis can be asked to wait for.
	single := redis.NewClient(&redis.Options{
		Addr: p.leader.Address(), Username: "cluster", Password: redistest.Password, Protocol: 2, PoolSize: 1,
	})
	must(t, cluster.NewStore(single).RemoveNode(t.Context(), 2))
	must(t, single.Close())
	p.cut()
	p.wants("removed", evidence{gone: true, refused: true})
	p.leader.Pause()
	p.wants("removed, and the leader silent", evidence{gone: true})
	p.leader.Continue()
	p.add()
	p.local.Eventually("be let in", func() bool { return p.role().LinkUp })
	p.wants("back", evidence{member: true})
}

// The record is there, and the leader does not know the password.
func TestWeighRefusal(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), t.Context()
	must(t, p.redis.Do(ctx, "ACL", "DELUSER", "node/2").Err())
	p.cut()
	p.wants("refused", evidence{refused: true})
	third := redistest.Start(t)
	p.leader.Follow(third)
	p.wants("refused by a replica", evidence{})
	p.leader.Kill()
	p.wants("no answer", evidence{})
}

// The link is down for some reason, and the leader's own word counts.
func TestWeighTheLeadersWord(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), t.Context()
	must(t, p.Redis(func(store *cluster.Store) error { return store.Login(ctx, "node/2", "another password") }))
	must(t, p.redis.Do(ctx, "CLIENT", "KILL", "TYPE", "replica").Err())
	p.cut()
	p.wants("the leader has the record", evidence{member: true})
	must(t, p.redis.Del(ctx, "node/2/vpn").Err())
	p.wants("the leader has no record", evidence{gone: true})
}

// What is left of records says nothing.
func TestWeighDamage(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), t.Context()
	for _, damage := range [][]any{
		{"DEL", "node/1/vpn", "node/2/vpn"},
		{"DEL", "cluster/network"},
	} {
		must(t, p.redis.Do(ctx, damage...).Err())
		p.local.Eventually("hear of it", func() bool {
			return p.local.Client().Exists(ctx, damage[1].(string)).Val() == 0
		})
		p.wants(damage[1].(string), evidence{})
	}
	p.leader.Kill()
	must(t, p.Redis(func(store *cluster.Store) error { return store.Lead(ctx) }))
	must(t, p.local.Client().Set(ctx, "cluster/network", network, 0).Err())
	p.wants("a master without a record of its own", evidence{})
}

// A removal from its beginning to its end: the log tells once.
func TestJudge(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), t.Context()
	must(t, os.MkdirAll(p.Files.StateDir(host.NodeAgent), 0o700))
	judge := func(want Phase) {
		t.Helper()
		standing := p.judged()
		kept, err := p.Standing()
		if err != nil || standing.Phase != want || kept != standing {
			t.Errorf("%+v, kept %+v, %v; want %s", standing, kept, err, want)
		}
	}
	judge(Member)
	must(t, p.redis.Del(ctx, "node/2/vpn").Err())
	p.local.Eventually("hear of it", func() bool { return p.weighed(Standing{}).gone })
	judge(Doubted)
	if p.log.Len() > 0 {
		t.Errorf("log:\n%s", p.log)
	}
	p.ago(2 * goneTime)
	judge(Silent)
	judge(Silent)
	p.ago(2 * removedPause)
	judge(Asking)
	p.ago(2 * askTime)
	judge(Silent)
	if text := p.log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "has been removed from the cluster") {
		t.Errorf("log:\n%s", text)
	}
	p.log.Reset()
	p.add()
	p.local.Eventually("hear of it", func() bool { return p.weighed(Standing{}).member })
	judge(Member)
	if text := p.log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "knows this node, 2, again") {
		t.Errorf("log:\n%s", text)
	}
}

// A node that was silent when its agent ended tries again when that starts.
func TestJudgeAtStart(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	must(t, p.redis.Del(t.Context(), "node/2/vpn").Err())
	p.local.Eventually("hear of it", func() bool { return p.weighed(Standing{}).gone })
	must(t, p.setStanding(Standing{Node: 2, Phase: Silent, Why: Removed, Since: time.Now(), Pause: time.Hour}))
	if standing := p.judged(); standing.Phase != Silent {
		t.Errorf("in the same process: %+v", standing)
	}
	p.begun.Store(false)
	if standing := p.judged(); standing.Phase != Asking || standing.Pause != time.Hour {
		t.Errorf("in a new process: %+v", standing)
	}
}

func (p *pair) judged() Standing {
	p.t.Helper()
	var standing Standing
	must(p.t, p.with(func(s *session) error {
		var err error
		standing, err = p.judge(p.t.Context(), s)
		return err
	}))
	return standing
}

// ago makes the present phase older.
func (p *pair) ago(d time.Duration) {
	p.t.Helper()
	s, err := p.Standing()
	must(p.t, err)
	s.Since = s.Since.Add(-d)
	must(p.t, p.setStanding(s))
}
