package node

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
)

// Keeper keeps this machine at what its local Redis says: at start, when told
// to look, when Redis has come back or changed its role or master, when addresses,
// links or routes of the host have changed, when a name has to be looked up again,
// and from time to time. Events may be missed; what they announce may not.
type Keeper struct {
	settle        func(context.Context) (vpn.Report, error)
	situation     func(context.Context) (situation, error)
	watch         func(ctx context.Context, changed func(), failed func(error))
	hurry         func() // names that could not be found may be found now
	leaderChanged func()
	answered      func() // waits for questions that are under way; nil: there are none
	log           *logrus.Entry
	nudged        chan struct{}
	moved         chan struct{} // the host's network has changed
	said          string        // problems that were logged last
}

const (
	// roleInterval is how soon a change of the role is seen, for example by the command switch-leader.
	roleInterval = time.Second
	// settleInterval bounds how long anything else can go unnoticed.
	settleInterval = 30 * time.Second
	// settleTime bounds one run: names that do not resolve take their time.
	settleTime = time.Minute
	// cutOffTime is how long the first run waits for a replica to be in sync, and
	// copyingTime if it is about to be: its records may be old.
	cutOffTime  = 5 * time.Second
	copyingTime = settleInterval
	// maxCalm is the longest pause between two runs that the host's network asks
	// for, if somebody changes back what each of them has done.
	maxCalm = settleInterval
)

// NewKeeper returns a keeper of the machine. leaderChanged is called when the
// local Redis got another role or master. It is made before anything uses the machine,
// which tells it of the switches that it takes part in: connections to the leader of
// before are then dropped at once, and not when somebody needs them.
func NewKeeper(m *Machine, leaderChanged func()) *Keeper {
	k := &Keeper{
		answered: m.asking.Wait,
		settle:   m.Settle, situation: m.situation, watch: m.Watch, hurry: m.lookups.Hurry,
		leaderChanged: leaderChanged, log: m.Log,
		nudged: make(chan struct{}, 1), moved: make(chan struct{}, 1),
	}
	m.turned = k.Nudge
	return k
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

// NamesAnother tells whether the records in the local Redis name another node as the leader.
func (m *Machine) NamesAnother(ctx context.Context) bool {
	another := false
	err := m.with(func(s *session) error {
		leader, err := s.Leader(ctx)
		another = err == nil && leader != s.self
		return err
	})
	return err == nil && another
}

// situation asks the local Redis what may make a run necessary.
func (m *Machine) situation(ctx context.Context) (situation, error) {
	var now situation
	err := m.with(func(s *session) error {
		role, err := s.Role(ctx)
		if err != nil {
			return err
		}
		since, err := silentSince(ctx, s.Store, role, time.Now())
		if err != nil {
			return err
		}
		now = situation{
			known: true, leader: role.Source, linkUp: role.LinkUp, copying: role.Copying, silent: !since.IsZero(),
		}
		if role.Master {
			followers, err := s.Followers(ctx)
			if err != nil {
				return err
			}
			now.followers = len(followers)
		}
		// Before a cluster has been created there is no such record; a bad one is a run's to tell.
		if recorded, err := s.Leader(ctx); err == nil {
			now.recorded = recorded
		}
		return nil
	})
	return now, err
}

// Nudge makes the keeper look soon. It never blocks.
func (k *Keeper) Nudge() { signal(k.nudged) }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run keeps the machine until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	watching := k.startWatch(ctx)
	defer func() {
		<-watching
		if k.answered != nil {
			k.answered()
		}
	}()
	ticker := time.NewTicker(roleInterval)
	defer ticker.Stop()
	p := &pace{began: time.Now()}
	for {
		now := k.look(ctx)
		if p.sees(now) {
			k.leaderChanged()
		}
		if p.due(time.Now()) {
			o := k.run(ctx)
			p.ran(time.Now(), o)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-k.nudged:
			p.nudged = true
		case <-k.moved:
			k.hurry()
			p.moved = true
		}
	}
}

// startWatch watches the host's network until ctx ends.
func (k *Keeper) startWatch(ctx context.Context) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		said := ""
		k.watch(ctx, func() { signal(k.moved) }, func(err error) {
			if said != err.Error() {
				said = err.Error()
				k.log.Warnf("watch the host's network: %v", err)
			}
			signal(k.moved)
		})
	}()
	return ended
}

// LogChanges says what a run has changed.
func LogChanges(entry *logrus.Entry, report vpn.Report) {
	if report.Upped {
		entry.Info("VPN: the interface did not exist, it was brought up")
	}
	for _, line := range report.Plan.Lines() {
		entry.Infof("VPN: %s", line)
	}
	if report.Saved && !report.Upped && report.Plan.Empty() {
		entry.Info("VPN: wg0.conf was missing or said something else, it is written anew")
	}
}

func (k *Keeper) look(ctx context.Context) situation {
	now, err := k.situation(ctx)
	if err != nil {
		k.complain(ctx, err)
		return situation{}
	}
	return now
}

// outcome is what a run means for those to come.
type outcome struct {
	again   time.Time // when the next one is due at the latest; zero: whenever
	changed bool
}

// run settles once, and logs what is new.
func (k *Keeper) run(keeping context.Context) outcome {
	ctx, cancel := context.WithTimeout(keeping, settleTime)
	defer cancel()
	report, err := k.settle(ctx)
	if isLoading(err) {
		return outcome{again: time.Now()} // nothing can be known yet
	}
	LogChanges(k.log, report)
	problems := describe(report.Warnings, err)
	if problems != "" && problems != k.said && keeping.Err() == nil {
		k.log.Warnf("bring the node to what Redis says: %s", problems)
	}
	k.said = problems
	return outcome{again: report.Again, changed: report.Changed()}
}

// isLoading tells a Redis that reads its data, or those of its master, into memory.
func isLoading(err error) bool { return redis.HasErrorPrefix(err, "LOADING") }

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
