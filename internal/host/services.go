package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Services starts and restarts the programs of a node.
type Services interface {
	// Restart returns when the unit runs anew. Restarting one's own unit ends
	// the caller: use RequestRestart.
	Restart(ctx context.Context, unit string) error
	// RequestRestart asks for it and does not wait.
	RequestRestart(ctx context.Context, unit string) error
	// Enable starts the unit, if it does not run, now and at boot.
	Enable(ctx context.Context, unit string) error
	// Reload makes new and changed unit files known.
	Reload(ctx context.Context) error
}

// WireGuard brings the interface wg0 up as wg0.conf says.
type WireGuard interface {
	// WGUp does nothing if the interface is there.
	WGUp(ctx context.Context) error
	// WGDown does nothing if the interface is not there.
	WGDown(ctx context.Context) error
	// WGRestart takes it down, if it is up, and brings it up.
	WGRestart(ctx context.Context) error
	// WGEnable brings it up at boot from now on.
	WGEnable(ctx context.Context) error
}

// Manager is all that a machine's services are asked for.
type Manager interface {
	Services
	WireGuard
}

// DetectManager returns the Systemd manager where systemd is PID 1, as
// sd_booted(3) tells it, and the Supervised one elsewhere: in containers, for
// instance.
func DetectManager(files Files, run Runner) (Manager, error) {
	_, err := os.Stat(files.systemdDir())
	if err == nil {
		return NewSystemd(run), nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return NewSupervised(files, run), nil
	}
	return nil, fmt.Errorf("detect systemd: %w", err)
}
