package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/vpn"
	"cluster-agent/vpn/netdev"
	"cluster-agent/worker/redisq"
)

// Machine is this machine: its files, its services, its VPN interface.
type Machine struct {
	Files    host.Files
	Manager  host.Manager
	Runner   host.Runner
	Resolver vpn.Resolver
	Log      *logrus.Entry

	// LeaderSilence is how long a leader has to be silent before this node follows
	// another one without an administrator; 0: it never does.
	LeaderSilence time.Duration

	lookups   vpn.Lookups
	seen      vpn.Whereabouts
	begun     atomic.Bool // the membership has been looked at since this process started
	turned    func()      // called after a change of the leader; nil: nobody wants to know
	vigil     vigil
	asking    sync.WaitGroup // questions that are under way
	member    question[membership]
	rivals    question[hearing]
	lastRival rivalMemory
}

// vigil is what one run of Settle remembers for the next.
type vigil struct {
	begun         bool               // the leader has been listened for since this process started
	masterSince   time.Time          // since when the local Redis is a master, and the records name another node as leader
	aloneSince    time.Time          // since when most nodes do not follow this one, which leads; zero: they do
	rivalSaid     cluster.Leadership // of whom the log has told last
	handOverSince time.Time          // since when a node that this one has told to lead does not accept; zero: there is none
	// followed says that nobody can lead in this node's place without its having noticed: most
	// nodes have followed it, or it led nobody, as a worker or before there was a cluster.
	followed bool
	holding  bool // writes to the local Redis wait
}

// lockName serializes all that changes the VPN or the leader of this machine,
// in the agent and in commands alike.
const lockName = "vpn"

// session is a connection to the local Redis as its user cluster, who may do
// everything there.
type session struct {
	*cluster.Store

	machine *Machine
	close   func() error
	self    int
	read    *reading // nil: nothing has been read yet
	ahead   *ahead   // nil: no look at the interface is under way
}

// reading is what the local Redis said of itself and of the cluster when it was read.
type reading struct {
	role      cluster.Role
	handsOver bool // the local Redis has told the one that it follows to lead, which has not accepted
	roleErr   error
	records   vpn.Cluster
	warnings  []vpn.Warning
	err       error
}

// forget makes the next part of a run read role and records anew, and the interface.
func (s *session) forget() {
	s.read = nil
	s.ahead.stale()
}

// once reads role and records, and then tells the same again: all parts of a run
// go by the same. The role comes first, since the records of a replica that was in
// sync then are not older than that.
func (s *session) once(ctx context.Context) *reading {
	if s.read == nil {
		s.read = &reading{}
		s.read.role, s.read.roleErr = s.Role(ctx)
		if role := s.read.role; s.read.roleErr == nil && !role.Master && !role.LinkUp {
			s.read.handsOver, s.read.roleErr = s.HandOverBegun(ctx)
		}
		s.read.records, s.read.warnings, s.read.err = s.Snapshot(ctx, s.self)
	}
	return s.read
}

// snapshot returns the records as they are.
func (s *session) snapshot(ctx context.Context) (vpn.Cluster, []vpn.Warning, error) {
	r := s.once(ctx)
	return r.records, slices.Clone(r.warnings), r.err
}

// readRole returns the role of the local Redis when the records were read.
func (s *session) readRole(ctx context.Context) (cluster.Role, error) {
	r := s.once(ctx)
	return r.role, r.roleErr
}

// open connects to the local Redis. Nothing is sent yet.
func (m *Machine) open() (*session, error) {
	self, err := m.Files.NodeID()
	if err != nil {
		return nil, fmt.Errorf("read this node's id: %w", err)
	}
	credentials, err := m.Files.Credentials(host.ClusterAgent)
	if err != nil {
		return nil, fmt.Errorf("read the cluster agent's credentials: %w", err)
	}
	client := redisq.Connect(redisq.Server{
		Address: credentials.Address, User: credentials.User, Password: credentials.Password,
	}, 1)
	return &session{Store: cluster.NewStore(client), machine: m, close: client.Close, self: self}, nil
}

// with runs work on a connection to the local Redis.
func (m *Machine) with(work func(*session) error) (err error) {
	s, err := m.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return work(s)
}

// locked runs work while nothing else changes this machine's VPN or leader.
func (m *Machine) locked(ctx context.Context, work func(*session) error) error {
	unlock, err := m.Files.Lock(ctx, lockName)
	if err != nil {
		return fmt.Errorf("wait for another change of the VPN to end: %w", err)
	}
	return errors.Join(m.with(work), unlock())
}

// reconcile brings the VPN interface to what records says.
func (m *Machine) reconcile(ctx context.Context, records recordsReader) (vpn.Report, error) {
	var report vpn.Report
	err := m.withReconciler(records, func(r *vpn.Reconciler) error {
		var err error
		report, err = r.Apply(ctx)
		return err
	})
	return report, err
}

// recordsReader reads the cluster's records, or tells them as they are to be taken.
type recordsReader func(context.Context) (vpn.Cluster, []vpn.Warning, error)

// withReconciler runs work on the VPN interface.
func (m *Machine) withReconciler(records recordsReader, work func(*vpn.Reconciler) error) error {
	device, err := netdev.Open(host.WireGuardInterface)
	if err != nil {
		return fmt.Errorf("open %s: %w", host.WireGuardInterface, err)
	}
	return errors.Join(work(m.reconciler(device, records)), device.Close())
}

// reconciler is that of a device.
func (m *Machine) reconciler(device vpn.Device, records recordsReader) *vpn.Reconciler {
	peers := m.peers()
	return &vpn.Reconciler{
		Device:     device,
		Resolver:   m.Resolver,
		Lookups:    &m.lookups,
		Seen:       &m.seen,
		Cluster:    records,
		Known:      peers.known,
		Remember:   peers.remember,
		ConfPath:   m.Files.WireGuardConf(),
		PrivateKey: m.Files.Keys,
		Up:         m.Manager.WGUp,
	}
}

// VPNState reads the VPN interface and its surroundings.
func (m *Machine) VPNState(ctx context.Context) (vpn.State, error) {
	device, err := netdev.Open(host.WireGuardInterface)
	if err != nil {
		return vpn.State{}, fmt.Errorf("open %s: %w", host.WireGuardInterface, err)
	}
	state, err := device.State(ctx)
	if err = errors.Join(err, device.Close()); err != nil {
		return vpn.State{}, fmt.Errorf("read %s: %w", host.WireGuardInterface, err)
	}
	return state, nil
}

// Watch calls changed after every change of the host's network, until ctx ends, see
// [netdev.Device.Watch].
func (m *Machine) Watch(ctx context.Context, changed func(), failed func(error)) {
	device, err := netdev.Open(host.WireGuardInterface)
	if err != nil {
		failed(fmt.Errorf("open %s: %w", host.WireGuardInterface, err))
		return
	}
	device.Watch(ctx, changed, failed)
	if err := device.Close(); err != nil {
		failed(fmt.Errorf("close %s: %w", host.WireGuardInterface, err))
	}
}

// given is records that were read before.
func given(c vpn.Cluster) recordsReader {
	return func(context.Context) (vpn.Cluster, []vpn.Warning, error) { return c, nil, nil }
}
