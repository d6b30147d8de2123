package host

import (
	"context"
)

// wgUnit is the unit of wireguard-tools that runs wg-quick for the interface.
const wgUnit = "wg-quick@" + WireGuardInterface

// Systemd is the Manager of a machine that systemd has booted.
type Systemd struct {
	run Runner
}

var _ Manager = (*Systemd)(nil)

// NewSystemd returns a Manager that calls systemctl.
func NewSystemd(run Runner) *Systemd {
	return &Systemd{run: run}
}

// Restart implements Services.
func (s *Systemd) Restart(ctx context.Context, unit string) error {
	return s.systemctl(ctx, "restart", unit)
}

// RequestRestart implements Services.
func (s *Systemd) RequestRestart(ctx context.Context, unit string) error {
	return s.systemctl(ctx, "restart", "--no-block", unit)
}

// Enable implements Services.
func (s *Systemd) Enable(ctx context.Context, unit string) error {
	return s.systemctl(ctx, "enable", "--now", unit)
}

// Reload implements Services.
func (s *Systemd) Reload(ctx context.Context) error {
	return s.systemctl(ctx, "daemon-reload")
}

// WGUp implements WireGuard. The unit stays active when somebody deletes the
// interface (RemainAfterExit), and starting what is active does nothing.
func (s *Systemd) WGUp(ctx context.Context) error {
	return s.systemctl(ctx, "restart", wgUnit)
}

// WGDown implements WireGuard.
func (s *Systemd) WGDown(ctx context.Context) error {
	return s.systemctl(ctx, "stop", wgUnit)
}

// WGRestart implements WireGuard.
func (s *Systemd) WGRestart(ctx context.Context) error {
	return s.systemctl(ctx, "restart", wgUnit)
}

// WGEnable implements WireGuard. It does not start the unit, so that the
// interface can be enabled before or after it is brought up.
func (s *Systemd) WGEnable(ctx context.Context) error {
	return s.systemctl(ctx, "enable", wgUnit)
}

func (s *Systemd) systemctl(ctx context.Context, args ...string) error {
	_, err := s.run.Run(ctx, "systemctl", args...)
	return err
}
