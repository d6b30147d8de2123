package node

import (
	"context"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
)

// Keeper keeps this machine at what its local Redis says: at start, when told
// to look, when Redis has come back or changed its role or master, and from
// time to time. Events may be missed; what they announce may not.
type Keeper struct {
	settle        func(context.Context) (vpn.Report, error)
	role          func(context.Context) (cluster.Role, error)
	leaderChanged func()
	log           *logrus.Entry
	nudged        chan struct{}
	said          string // problems that were logged last
}

const (
	// roleInterval is how soon a change of the role is seen, for example by the command switch-leader.
	roleInterval = time.Second
	// settleInterval bounds how long anything else can go unnoticed.
	settleInterval = 30 * time.Second
	// settleTime bounds one run: names that do not resolve take their time.
	settleTime = time.Minute
)

// NewKeeper returns a keeper of the machine. leaderChanged is called when the
// local Redis got another role or master.
func NewKeeper(m *Machine, leaderChanged func()) *Keeper {
	return &Keeper{
		settle: m.Settle, role: m.Role, leaderChanged: leaderChanged, log: m.Log,
		nudged: make(chan struct{}, 1),
	}
}

// Role asks the local Redis for its role.
func (m *Machine) Role(ctx context.Context) (cluster.Role, error) {
	var role cluster.Role
	err := m.with(func(s *session) error {
		var err error
		role, err = s.Role(ctx)
		return err
	})
	return role, err
}

// Nudge makes the keeper look soon. It never blocks.
func (k *Keeper) Nudge() {
	select {
	case k.nudged <- struct{}{}:
	default:
	}
}

// Run keeps the machine until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	ticker := time.NewTicker(roleInterval)
	defer ticker.Stop()
	// Redis may come back as something else than it was: answered is how it was last.
	var before, answered situation
	var settled time.Time
	for {
		now := k.look(ctx)
		if now.known {
			if answered.known && now.leader != answered.leader {
				k.leaderChanged()
			}
			answered = now
		}
		if now.known && (now != before || time.Since(settled) >= settleInterval) {
			k.run(ctx)
			settled = time.Now()
		}
		before = now
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-k.nudged:
			settled = time.Time{}
		}
	}
}

// LogChanges says what a run has changed.
func LogChanges(entry *logrus.Entry, report vpn.Report) {
	for _, line := range report.Plan.Lines() {
		entry.Infof("VPN: %s", line)
	}
}

// situation is what the local Redis says of itself.
type situation struct {
	known  bool   // it answers
	leader string // whom it follows; empty: it is the master
	linkUp bool
}

func (k *Keeper) look(ctx context.Context) situation {
	role, err := k.role(ctx)
	if err != nil {
		k.complain(ctx, err)
		return situation{}
	}
	return situation{known: true, leader: role.Source, linkUp: role.LinkUp}
}

// run settles once, and logs what is new.
func (k *Keeper) run(keeping context.Context) {
	ctx, cancel := context.WithTimeout(keeping, settleTime)
	defer cancel()
	report, err := k.settle(ctx)
	LogChanges(k.log, report)
	problems := describe(report.Warnings, err)
	if problems != "" && problems != k.said && keeping.Err() == nil {
		k.log.Warnf("bring the node to what Redis says: %s", problems)
	}
	k.said = problems
}

// complain says why the local Redis cannot be looked at, once for each reason.
func (k *Keeper) complain(ctx context.Context, err error) {
	if ctx.Err() == nil && k.said != err.Error() {
		k.said = err.Error()
		k.log.Warnf("look at the local Redis: %v", err)
	}
}

// describe puts what is wrong into lines.
func describe(warnings []vpn.Warning, err error) string {
	lines := make([]string, 0, len(warnings)+1)
	for _, warning := range warnings {
		lines = append(lines, warning.String())
	}
	if err != nil {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}
