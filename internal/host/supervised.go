package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
)

// pidPoll is how often the PID file of a restarting unit is looked at.
const pidPoll = 20 * time.Millisecond

// Supervised is the Manager of a machine without systemd, where any supervisor
// runs the services, restarts those that end, and writes /run/UNIT.pid.
type Supervised struct {
	files  Files
	run    Runner
	linkUp func(name string) (bool, error)
}

var _ Manager = (*Supervised)(nil)

// NewSupervised returns a Manager that sends signals to the processes whose PID
// files are below files, and calls wg-quick directly.
func NewSupervised(files Files, run Runner) *Supervised {
	return &Supervised{files: files, run: run, linkUp: linkExists}
}

// Restart implements Services. It waits CommandTimeout at most for the
// supervisor to write the PID of a new, living process.
func (s *Supervised) Restart(ctx context.Context, unit string) error {
	ctx, cancel := context.WithTimeout(ctx, CommandTimeout)
	defer cancel()
	old, err := s.terminate(unit)
	if err != nil {
		return fmt.Errorf("restart %s: %w", unit, err)
	}
	if err = s.waitNewPID(ctx, unit, old); err != nil {
		return fmt.Errorf("restart %s: process %d was told to end, wait for another: %w", unit, old, err)
	}
	return nil
}

// RequestRestart implements Services.
func (s *Supervised) RequestRestart(_ context.Context, unit string) error {
	if _, err := s.terminate(unit); err != nil {
		return fmt.Errorf("request restart of %s: %w", unit, err)
	}
	return nil
}

// Enable implements Services. What runs, and from when, is the supervisor's
// business.
func (s *Supervised) Enable(context.Context, string) error { return nil }

// Reload implements Services. There are no unit files to reload.
func (s *Supervised) Reload(context.Context) error { return nil }

// terminate tells the unit's process to end and returns its PID. One that has
// died on its own is as good: the supervisor starts it again anyway.
func (s *Supervised) terminate(unit string) (int, error) {
	pid, err := s.readPID(unit)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("no supervisor runs it: %w", err)
	}
	if err != nil {
		return 0, err
	}
	if err = syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return 0, fmt.Errorf("terminate process %d: %w", pid, err)
	}
	return pid, nil
}

func (s *Supervised) waitNewPID(ctx context.Context, unit string, old int) error {
	ticker := time.NewTicker(pidPoll)
	defer ticker.Stop()
	for {
		// The file may be gone or half written while the supervisor replaces it.
		pid, err := s.readPID(unit)
		if err == nil && pid != old && alive(pid) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

func (s *Supervised) readPID(unit string) (int, error) {
	path := s.files.PIDFile(unit)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	// 0, -1 and 1 would signal the own group, everyone, and init.
	if err != nil || pid < 2 {
		return 0, fmt.Errorf("%s holds %q, not a process id", path, text)
	}
	return pid, nil
}

// alive is false for zombies too, which signal 0 still reaches.
func alive(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	// The name, in parentheses, may hold anything: the state follows the last one.
	state := bytes.TrimSpace(text[bytes.LastIndexByte(text, ')')+1:])
	return len(state) > 0 && state[0] != 'Z' && state[0] != 'X'
}

// WGUp implements WireGuard.
func (s *Supervised) WGUp(ctx context.Context) error {
	return s.wgQuick(ctx, "up", false)
}

// WGDown implements WireGuard.
func (s *Supervised) WGDown(ctx context.Context) error {
	return s.wgQuick(ctx, "down", true)
}

// WGRestart implements WireGuard.
func (s *Supervised) WGRestart(ctx context.Context) error {
	if err := s.WGDown(ctx); err != nil {
		return err
	}
	return s.WGUp(ctx)
}

// WGEnable implements WireGuard. The supervisor brings the interface up before
// it starts the services.
func (s *Supervised) WGEnable(context.Context) error { return nil }

// wgQuick runs wg-quick if the interface is up, or is not, as the verb needs.
func (s *Supervised) wgQuick(ctx context.Context, verb string, whenUp bool) error {
	up, err := s.linkUp(WireGuardInterface)
	if err != nil || up != whenUp {
		return err
	}
	_, err = s.run.Run(ctx, "wg-quick", verb, WireGuardInterface)
	return err
}

func linkExists(name string) (bool, error) {
	_, err := netlink.LinkByName(name)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for interface %s: %w", name, err)
	}
	return true, nil
}
