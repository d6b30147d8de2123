package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// vpnMemory is where the files live that the runs write: in memory, so that they
// end with the namespace, and no disk is measured.
const vpnMemory = "/run/bench"

// furnish makes the namespaces this process has been started in a machine: files of
// its own in place of those that the agent reads and writes, and a network.
func furnish(ctx context.Context) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if err := os.MkdirAll("/run/wireguard", 0o700); err != nil {
		return err
	}
	return errors.Join(overlay("/etc"), overlay("/var/lib"), plugIn(ctx))
}

// overlay makes what is written below a directory go to memory.
func overlay(dir string) error {
	at := filepath.Join(vpnMemory, dir)
	upper, work := filepath.Join(at, "upper"), filepath.Join(at, "work")
	for _, d := range []string{upper, work} {
		if err := os.MkdirAll(d, 0o750); err != nil {
			return err
		}
	}
	if err := os.Chmod(upper, 0o755); err != nil { //nolint:gosec // it is seen as /etc
		return err
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work)
	if err := unix.Mount("bench", dir, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount over %s: %w", dir, err)
	}
	return nil
}

// plugIn gives the machine an address, and a way to nowhere for what the engine
// sends to its peers.
func plugIn(ctx context.Context) error {
	for _, line := range []string{
		"link set lo up",
		"link add eth0 type veth peer name cable",
		"address add 203.0.113.2/24 dev eth0",
		"link set cable up",
		"link set eth0 up",
		"route add default via 203.0.113.1",
	} {
		if err := runQuiet(ctx, "ip", strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

// runQuiet runs a program that has nothing to say unless it fails.
func runQuiet(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
