package vpn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// ErrNoNetwork means that the host has no address besides those of loopback
// and of the VPN itself, so that nobody can tell what is reached directly and
// what through the tunnel. Nothing has been changed; try again when addresses,
// links or routes of the host have changed.
var ErrNoNetwork = errors.New("the host has no network address yet")

// Reconciler brings the VPN of this node to what the records say.
type Reconciler struct {
	Device   Device
	Resolver Resolver
	// Lookups keeps what Resolver found from run to run; nil: nothing is kept.
	Lookups *Lookups
	// Seen keeps where peers were heard of; nil: nothing is kept.
	Seen *Whereabouts
	// Cluster reads the records. Its warnings go into the report.
	Cluster func(ctx context.Context) (Cluster, []Warning, error)
	// Known returns the keys that Remember was given, those of nodes that were
	// removed since among them. It returns nil, no empty set, before the first
	// Remember: then peers of earlier nodes are told by their addresses. If Known
	// is nil, only records and file tell whose a peer is. The set is the caller's to keep.
	Known func(ctx context.Context) (Keys, error)
	// Remember is given the keys of all peers that this run wants, before it adds
	// any, and of those that it finds and is to remove: should it be cut off, the
	// next one still knows whose they are. It is called by each run, and should
	// write only what is new.
	Remember func(ctx context.Context, ours Keys) error
	// ConfPath is the file of wg-quick.
	ConfPath string
	// PrivateKey reads the node's key, for a file that has none; nil: the file
	// must have it.
	PrivateKey func() (wgtypes.Key, error)
	// Up brings up an interface that does not exist, as wg-quick up does; nil:
	// that it does not exist is an error.
	Up func(ctx context.Context) error
}

// Report says what a run has done and found.
type Report struct {
	Plan     Plan      // what was to be changed in the kernel; see the error for what could not be
	Warnings []Warning // records that could not be used as they stand
	Notes    []Warning // addresses that are on purpose not in the tunnel
	Upped    bool      // the interface did not exist and was brought up
	Saved    bool      // the file was written
	// Again is when a name has to be looked up again; the zero Time: none has to.
	Again time.Time
}

// Changed says whether the run has changed anything, or tried to.
func (r Report) Changed() bool { return r.Upped || r.Saved || !r.Plan.Empty() }

// Apply runs once. It acts on differences only: where all is as it should be,
// nothing is changed and no file is written. The error joins everything that
// has failed; what does not depend on it has been done all the same.
// ErrNoNetwork is among it if nothing could be done yet. Runs, also those of
// other processes, wait for each other.
func (r *Reconciler) Apply(ctx context.Context) (Report, error) {
	lock, err := lockDir(ctx, filepath.Dir(r.ConfPath))
	if err != nil {
		return Report{}, err
	}
	run := &run{Reconciler: r}
	run.do(ctx)
	run.fail("unlock", lock.Close())
	run.report.Warnings = sortWarnings(run.report.Warnings)
	return run.report, errors.Join(run.errs...)
}

// run is one run of a Reconciler.
type run struct {
	*Reconciler
	cluster Cluster
	file    confFile
	inFile  map[wgtypes.Key]netip.AddrPort // the endpoints in the file
	fileWas fs.FileInfo                    // when inFile was read
	mem     Memory
	now     State
	want    Desired

	report Report
	errs   []error
}

// fail notes a failure, and says whether there was one.
func (r *run) fail(what string, err error) bool {
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %w", what, err))
	}
	return err != nil
}

func (r *run) do(ctx context.Context) {
	if !r.read(ctx) || !r.cluster.Network.IsValid() {
		return
	}
	if !r.now.HasNetwork() {
		r.errs = append(r.errs, ErrNoNetwork)
		return
	}
	found := r.resolve(ctx)
	if !r.decide(found) {
		return
	}
	r.remember(ctx)
	if !r.now.Exists {
		r.saveConf() // so that the interface comes up right at once
		if !r.bringUp(ctx) || !r.decide(found) {
			return
		}
	}
	if r.change(ctx) && r.want.Waits && r.readState(ctx) && r.decide(found) {
		r.change(ctx)
	}
	r.saveConf()
}

// change makes the kernel what is wanted.
func (r *run) change(ctx context.Context) bool {
	plan := Diff(r.now, r.want)
	r.report.Plan = r.report.Plan.Then(plan)
	return !r.fail("change the VPN interface", r.Device.Apply(ctx, plan))
}

// resolve finds the addresses of endpoints.
func (r *run) resolve(ctx context.Context) Resolved {
	service := r.Resolver
	if r.Lookups != nil {
		v := r.Lookups.view(r.Resolver, r.cluster, r.now)
		defer func() { r.report.Again = v.again(r.now) }()
		service = v
	}
	found, warnings := Resolve(ctx, service, r.cluster, r.now)
	r.report.Warnings = append(r.report.Warnings, warnings...)
	return found
}

// remember keeps whose the peers are that the device is about to get, or to lose:
// what comes after may be cut off.
func (r *run) remember(ctx context.Context) {
	wanted := make(Keys, len(r.want.Peers))
	for _, p := range r.want.Peers {
		wanted.Add(p.Key)
	}
	if r.Seen != nil {
		r.Seen.forget(wanted)
	}
	if r.Remember == nil {
		return
	}
	for _, p := range r.now.Peers {
		if r.want.Ours.Has(p.Key) {
			wanted.Add(p.Key)
		}
	}
	r.fail("remember the keys of nodes", r.Remember(ctx, wanted))
}

// read collects all that a decision rests on. Without records or state there
// is none; without memory there is.
func (r *run) read(ctx context.Context) bool {
	var err error
	r.cluster, r.report.Warnings, err = r.Cluster(ctx)
	if r.fail("read the cluster's records", err) {
		return false
	}
	r.file, err = loadConf(r.ConfPath)
	r.fail("read the interface's file", err)
	if !r.readState(ctx) {
		return false
	}
	r.inFile, r.fileWas = r.file.endpoints(), r.file.info
	r.mem.Endpoints = r.inFile
	r.mem.Keys = r.readKnown(ctx)
	for p := range r.file.peers {
		if p.Node != 0 {
			r.mem.Keys.Add(p.Key)
		}
	}
	return true
}

// readKnown reads what is remembered of earlier nodes. It can be done without.
func (r *run) readKnown(ctx context.Context) Keys {
	if r.Known == nil {
		return NewKeys()
	}
	keys, err := r.Known(ctx)
	if !r.fail("read the keys of earlier nodes", err) && keys == nil {
		keys = formerNodes(r.cluster, r.now)
	}
	if keys == nil {
		return NewKeys()
	}
	return keys
}

func (r *run) readState(ctx context.Context) bool {
	var err error
	r.now, err = r.Device.State(ctx)
	if err == nil && r.Seen != nil {
		r.mem.Seen = r.Seen.note(r.now)
	}
	return !r.fail("read the VPN interface", err)
}

// decide finds out what the interface has to look like, and whether that is
// known at all.
func (r *run) decide(found Resolved) bool {
	var warnings []Warning
	r.want, warnings = Want(r.cluster, r.mem, r.now, found)
	r.report.Warnings = append(r.report.Warnings, warnings...)
	r.report.Notes = r.want.Notes
	return !r.want.Keep
}

// bringUp makes the interface exist.
func (r *run) bringUp(ctx context.Context) bool {
	if r.Up == nil {
		r.errs = append(r.errs, errors.New("the VPN interface does not exist"))
		return false
	}
	err := r.Up(ctx)
	r.report.Upped = err == nil
	if r.fail("bring up the VPN interface", err) || !r.readState(ctx) {
		return false
	}
	if !r.now.Exists {
		r.errs = append(r.errs, errors.New("bring up the VPN interface: it does not exist afterwards"))
	}
	return r.now.Exists
}
