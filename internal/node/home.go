package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cluster-agent/vpn"
)

// seekInterval is how often a node asks others whether one of them leads.
const seekInterval = time.Second

// seekHome finds the leader again for a worker that was off, or cut off, while another
// node became it, or whose Redis was made a master and did not come to lead. See the
// package comment for whom it follows. It returns when it wants to look again.
func (m *Machine) seekHome(ctx context.Context, s *session) (time.Time, error) {
	standing, err := m.Standing()
	if err != nil || !standing.applies() {
		return time.Time{}, nil //nolint:nilerr // told where the membership is judged
	}
	before := m.silence()
	q, err := m.listen(ctx, s, time.Now())
	if err != nil || q.Leader == 0 || m.LeaderSilence <= 0 {
		return time.Time{}, err
	}
	if !q.Seeking {
		return q.Since.Add(m.LeaderSilence), nil
	}
	records, _, err := s.records(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if !before.Seeking {
		m.sayThatItSeeks(s, records, q)
	}
	home, found, err := m.findHome(ctx, s, records)
	if err != nil || !found {
		return time.Now().Add(seekInterval), errors.Join(err, tellWhereabouts(ctx, s))
	}
	return again(m.goHome(ctx, s, home))
}

// homeAgain is how soon a way home that failed, of which a copy of all data may be a part, is
// tried again: before writes that wait go on, see holdTime.
const homeAgain = 4 * time.Second

// again has what failed tried once more.
func again(err error) (time.Time, error) {
	switch {
	case err == nil:
		return time.Time{}, nil
	case errors.Is(err, errDoesNotLead):
		return time.Now().Add(seekInterval), err
	}
	return time.Now().Add(homeAgain), err
}

// tellWhereabouts lets a node that is about to lead know how far this one has come, see
// [Machine.SwitchAll].
func tellWhereabouts(ctx context.Context, s *session) error {
	w, err := s.Whereabouts(ctx, s.self)
	if err != nil {
		return err
	}
	return s.TellWhereabouts(ctx, w)
}

func (m *Machine) sayThatItSeeks(s *session, records vpn.Cluster, q Silence) {
	if s.read.role.Master {
		m.Log.Warnf("the Redis of this node, which does not lead, has been a master since %s: asking %s whether one of them leads",
			q.Since.Local().Format(time.TimeOnly), nodeList(append([]int{q.Leader}, records.Candidates...)))
		return
	}
	if len(records.Candidates) == 0 {
		m.Log.Warnf("the leader, node %d, has been silent since %s, and no other node was prepared to lead: "+
			"if another leads now, run switch-leader here", q.Leader, q.Since.Local().Format(time.TimeOnly))
		return
	}
	m.Log.Warnf("the leader, node %d, has been silent since %s: asking %s whether one of them leads",
		q.Leader, q.Since.Local().Format(time.TimeOnly), nodeList(records.Candidates))
}

// nodeList names nodes.
func nodeList(ids []int) string {
	word := "nodes"
	if len(ids) == 1 {
		word = "node"
	}
	return word + " " + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(ids)), ", "), "[]")
}

// findHome asks the candidates, and the silent leader itself: one that answers is not
// silent, whatever keeps this node's Redis from following it. If that was made a master, it is
// home.
func (m *Machine) findHome(ctx context.Context, s *session, records vpn.Cluster) (home claim, found bool, err error) {
	uuid, err := s.UUID(ctx)
	if err != nil {
		return home, false, err
	}
	known, err := m.knownLeadership(ctx, s.Store)
	if err != nil {
		return home, false, err
	}
	asked, err := m.reach(ctx, records)
	if err != nil {
		return home, false, err
	}
	heard, answered := m.rivals.put(ctx, m, claimTime, func(ctx context.Context) hearing { return m.hear(ctx, asked, uuid, known) })
	if !answered {
		return home, false, nil
	}
	role, err := s.readRole(ctx)
	if err != nil {
		return home, false, err
	}
	claims := heard.claims
	if !role.Master && slices.ContainsFunc(claims, func(c claim) bool { return c.Node == records.Leader && !c.OlderThan(known) }) {
		return home, false, m.setSilence(Silence{Leader: records.Leader, Since: time.Now().UTC().Round(0)})
	}
	claims = slices.DeleteFunc(slices.Clone(claims), func(c claim) bool { return c.OlderThan(known) })
	home, found = latest(claims)
	return home, found, nil
}

// reach takes the candidates as peers, and returns those that are there, and the leader
// that is followed, if it has been there lately.
func (m *Machine) reach(ctx context.Context, records vpn.Cluster) ([]vpn.Node, error) {
	m.seekVia(ctx, records)
	return m.present(ctx, records, func(id int) bool { return id == records.Leader || slices.Contains(records.Candidates, id) })
}

// seekVia brings the VPN to records. What is wrong with it, the run tells that brings it
// to what Redis says.
func (m *Machine) seekVia(ctx context.Context, records vpn.Cluster) {
	if _, err := m.reconcile(ctx, given(records)); err != nil {
		m.Log.Debugf("take the nodes as peers that may lead: %v", err)
	}
}

// goHome makes this node a worker of another leader, without an administrator.
func (m *Machine) goHome(ctx context.Context, s *session, home claim) error {
	defer s.forget()
	sw, err := m.beginSwitch(ctx, s, Switch{
		Leader: home.Node, Endpoint: home.node.Endpoint, Epoch: home.Epoch, Planned: true, Wait: missedTime, Say: m.Log.Debugf, missed: true,
	})
	if err == nil {
		err = sw.run(ctx)
	}
	if err == nil {
		err = m.setSilence(Silence{}) // it seeks no more
	}
	if err != nil {
		return fmt.Errorf("follow node %d, which leads in epoch %d: %w", home.Node, home.Epoch, err)
	}
	m.Log.Infof("node %d leads in epoch %d of the cluster's leaders: this node has found it and follows it", home.Node, home.Epoch)
	return nil
}
