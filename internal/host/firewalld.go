package host

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
)

// OpenFirewall lets the VPN through firewalld, where it runs: the UDP port is
// opened and the network trusted, at once and after a restart of firewalld.
// The text says what was done, also if that is nothing.
func OpenFirewall(ctx context.Context, run Runner, port int, network netip.Prefix) (string, error) {
	running, err := firewalldRuns(ctx, run)
	if err != nil {
		return "", fmt.Errorf("open firewall: %w", err)
	}
	if !running {
		return "firewalld does not run: no port was opened", nil
	}
	udp := strconv.Itoa(port) + "/udp"
	for _, args := range [][]string{
		{"--permanent", "--add-port=" + udp},
		{"--add-port=" + udp},
		{"--permanent", "--zone=trusted", "--add-source=" + network.String()},
		{"--zone=trusted", "--add-source=" + network.String()},
	} {
		if _, err = run.Run(ctx, "firewall-cmd", args...); err != nil {
			return "", fmt.Errorf("open firewall: %w", err)
		}
	}
	return fmt.Sprintf("firewalld: port %s is open, network %s is trusted", udp, network), nil
}

// firewalldRuns asks with --state, which exits 0 only if the daemon runs.
func firewalldRuns(ctx context.Context, run Runner) (bool, error) {
	_, err := run.Run(ctx, "firewall-cmd", "--state")
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, exec.ErrNotFound), errors.As(err, &exit):
		return false, nil
	default:
		return false, err
	}
}
