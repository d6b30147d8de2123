package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cluster-agent/internal/host"
)

// forwardingConf lets the kernel pass packets on, at every boot, see
// sysctl.d(5). IPv6 is not touched: a forwarding host takes no more router
// advertisements, by which it may have got its own address.
const forwardingConf = `# A leader passes packets on between the other nodes, and every node may lead one day.
net.ipv4.ip_forward = 1
`

// forwarding makes this machine able to be a hub: now, and at the next boot.
func (r *run) forwarding(context.Context) error {
	file := filepath.Join(r.Files.Root(), "etc/sysctl.d/90-cluster-vpn.conf")
	outcome, err := keepOrWrite(file, forwardingConf)
	if err != nil {
		return err
	}
	r.report.note(outcome, file)
	return r.forwardNow(filepath.Join(r.Files.Root(), "proc/sys/net/ipv4/ip_forward"))
}

func (r *run) forwardNow(setting string) error {
	now, err := os.ReadFile(setting)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no kernel below this root: the setting waits for the boot
	}
	if err != nil {
		return fmt.Errorf("read whether packets are passed on: %w", err)
	}
	outcome := host.Kept
	if strings.TrimSpace(string(now)) != "1" {
		outcome, err = host.Changed, os.WriteFile(setting, []byte("1\n"), 0o644) //nolint:gosec // a file of the kernel
	}
	if err != nil {
		return fmt.Errorf("pass packets on: %w", err)
	}
	r.report.note(outcome, "IPv4 forwarding")
	return nil
}
