package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// vpnRun is what one run came to.
type vpnRun struct {
	took    time.Duration
	changes int
	memory  int // the most that was resident, KiB
}

// vpnRunner runs the reconciliation once.
type vpnRunner func(ctx context.Context) (vpnRun, error)

// process is apply-vpn-routes as a whole process, from its start to its end.
func (s *vpnStage) process(ctx context.Context) (r vpnRun, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.programs, "apply-vpn-routes"))
	var out lineCounter
	var complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	began := time.Now()
	err = cmd.Run()
	r.took = time.Since(began)
	if err == nil && complaints.Len() > 0 {
		err = errors.New("it complains")
	}
	if err != nil {
		return r, fmt.Errorf("apply-vpn-routes: %w: %s", err, complaints.String())
	}
	r.changes = out.lines
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.memory = int(usage.Maxrss)
	}
	return r, nil
}

// vpnRepeats is how often a run without changes is repeated in a round.
const vpnRepeats = 7

// measure runs everything with so many peers.
func (s *vpnStage) measure(ctx context.Context, peers int) (*vpnTable, error) {
	t := &vpnTable{}
	if err := errors.Join(s.writeLimit(peers), s.fill(ctx, peers)); err != nil {
		return nil, err
	}
	for range s.rounds {
		if err := s.round(ctx, peers, t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (s *vpnStage) round(ctx context.Context, peers int, t *vpnTable) error {
	first, more, err := s.limits(ctx)
	if err != nil {
		return fmt.Errorf("limit: %w", err)
	}
	t.add(limitFirst, vpnRun{took: first}, 0)
	t.add(limitMore, vpnRun{took: more}, 0)
	if err = s.sequence(ctx, peers, s.process, wholeRows(), t, first, more); err != nil {
		return fmt.Errorf("whole process: %w", err)
	}
	inside, err := startInside(ctx, s.profile)
	if err != nil {
		return err
	}
	run := func(context.Context) (vpnRun, error) { return inside.run() }
	err = s.sequence(ctx, peers, run, insideRows(), t, first, more)
	if err = errors.Join(err, inside.end()); err != nil {
		return fmt.Errorf("inside: %w", err)
	}
	return nil
}

// limits times the first application by wg and ip, and that of one more peer.
func (s *vpnStage) limits(ctx context.Context) (first, more time.Duration, err error) {
	if err = s.freshInterface(ctx); err != nil {
		return 0, 0, err
	}
	if first, err = s.limit(ctx, "peers", "routes"); err != nil {
		return 0, 0, err
	}
	more, err = s.limit(ctx, "peers-more", "routes-more")
	return first, more, err
}

// sequence is a first application, runs that find nothing to do, each beside its
// limit and a read of the records, and a run that finds one peer more.
func (s *vpnStage) sequence(ctx context.Context, peers int, run vpnRunner, rows vpnRows, t *vpnTable, first, more time.Duration) error {
	if err := s.freshInterface(ctx); err != nil {
		return err
	}
	r, err := changing(ctx, run, 2*peers)
	if err != nil {
		return err
	}
	t.add(rows.first, r, first)
	if err = s.applied(ctx, peers); err != nil {
		return err
	}
	for range vpnRepeats {
		if err = s.unchanged(ctx, peers, run, rows, t); err != nil {
			return err
		}
	}
	if err = s.client.HSet(ctx, vpnRecord(peers+2), vpnFields(peers+2)).Err(); err != nil {
		return err
	}
	if r, err = changing(ctx, run, 2); err != nil {
		return err
	}
	t.add(rows.more, r, more)
	if err = s.client.Del(ctx, vpnRecord(peers+2)).Err(); err != nil {
		return err
	}
	_, err = changing(ctx, run, 2)
	return err
}

// unchanged times a run without changes, and beside it its limit, the parts of that,
// and what else says how long such a run has to take.
func (s *vpnStage) unchanged(ctx context.Context, peers int, run vpnRunner, rows vpnRows, t *vpnTable) error {
	peersTook, err := s.syncPeers(ctx, "peers")
	if err != nil {
		return err
	}
	look, err := s.batch(ctx, "look")
	if err != nil {
		return err
	}
	r, err := changing(ctx, run, 0)
	if err != nil {
		return err
	}
	read, err := s.readRecords(ctx, peers+1)
	if err != nil {
		return err
	}
	replace, err := s.batch(ctx, "replace")
	if err != nil {
		return err
	}
	limit := peersTook + look
	t.add(rows.unchanged, r, limit)
	t.add(limitUnchanged, vpnRun{took: limit}, 0)
	t.add(syncAlone, vpnRun{took: peersTook}, 0)
	t.add(showRoutes, vpnRun{took: look}, 0)
	t.add(readAlone, vpnRun{took: read}, 0)
	t.add(replaceRoutes, vpnRun{took: replace}, 0)
	return nil
}

// changing runs once, and makes sure that it made the changes that it had to.
func changing(ctx context.Context, run vpnRunner, changes int) (vpnRun, error) {
	r, err := run(ctx)
	if err == nil && r.changes != changes {
		err = fmt.Errorf("%d changes, not %d", r.changes, changes)
	}
	return r, err
}

// applied makes sure that all peers and routes are there.
func (s *vpnStage) applied(ctx context.Context, peers int) error {
	for _, line := range [][]string{{"wg", "show", vpnLink, "peers"}, {"ip", "route", "show", "dev", vpnLink}} {
		n := &lineCounter{}
		cmd := exec.CommandContext(ctx, line[0], line[1:]...)
		cmd.Stdout = n
		if err := cmd.Run(); err != nil {
			return err
		}
		if n.lines != peers {
			return fmt.Errorf("%v: %d lines, not %d", line, n.lines, peers)
		}
	}
	return nil
}

// lineCounter counts lines, and keeps nothing: this process has to be smaller than
// those it measures, since the kernel counts a process's memory from the fork on.
type lineCounter struct{ lines int }

var _ io.Writer = (*lineCounter)(nil)

// Write counts.
func (c *lineCounter) Write(p []byte) (int, error) {
	c.lines += bytes.Count(p, []byte("\n"))
	return len(p), nil
}
