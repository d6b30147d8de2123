package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	vpnLink = "wg0"
	// WireGuardPort is the UDP port of every node's wg0.
	WireGuardPort = 55820
	vpnConf       = "/etc/wireguard/wg0.conf"
	killDeadline  = 5 * time.Second
)

// powerOffError is the cause of a service's end that comes without SIGTERM.
type powerOffError struct{}

func (powerOffError) Error() string { return "power off" }

// PowerOff is a power cut: from one moment on nothing leaves the node, every process of it
// is killed, what the kernel and /run held is gone, what is on disk stays.
func (n *Node) PowerOff(ctx context.Context) error {
	n.off.Store(true)
	if err := n.wire(); err != nil {
		return err
	}
	if err := n.kill(ctx); err != nil {
		return err
	}
	if err := n.removeVPN(); err != nil {
		return err
	}
	run := filepath.Join(n.dir, "run")
	return errors.Join(clearDir(run), makeRun(run))
}

// Shutdown ends the node's services as an orderly halt does, so that Redis saves its data,
// and then switches the power off.
func (n *Node) Shutdown(ctx context.Context) error {
	for _, unit := range []string{NodeAgent, ClusterAgent, Redis} {
		n.services[unit].Stop()
	}
	return n.PowerOff(ctx)
}

// IsOn says whether the node was set up or booted, and not cut off since.
func (n *Node) IsOn() bool { return n.services[Redis].Status().Active }

// kill ends the node's services and every other process in its network namespace.
func (n *Node) kill(ctx context.Context) error {
	all := make([]*Service, 0, len(n.services))
	for _, s := range n.services {
		all = append(all, s)
	}
	err := errors.Join(
		forEach(all, func(s *Service) error { s.end(powerOffError{}); return nil }),
		n.Admin.Stop(),
	)
	ctx, cancel := context.WithTimeout(ctx, killDeadline)
	defer cancel()
	// Again and again: a process may have forked while the list was read.
	return errors.Join(err, Until(ctx, time.Millisecond, func(context.Context) error { return n.killRest() }))
}

// killRest sends SIGKILL to all processes of the node but the holder; an error says that
// some were there.
func (n *Node) killRest() error {
	pids, err := n.processes()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill process %d of node %d: %w", pid, n.ID, err)
		}
	}
	if len(pids) > 0 {
		return fmt.Errorf("node %d: processes %v do not end", n.ID, pids)
	}
	return nil
}

// processes lists the living processes in the node's network namespace, without the holder.
func (n *Node) processes() ([]int, error) {
	mine, err := os.Readlink("/proc/" + strconv.Itoa(n.holder.pid) + "/ns/net")
	if err != nil {
		return nil, fmt.Errorf("namespace of node %d: %w", n.ID, err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		// The lab's own first thread may be on a visit there (inNetwork).
		if err != nil || pid == n.holder.pid || pid == os.Getpid() {
			continue
		}
		// The link of a process that has ended cannot be read.
		if ns, err := os.Readlink("/proc/" + e.Name() + "/ns/net"); err == nil && ns == mine {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// removeVPN removes a wg0 of the kernel; the userspace engine's went with its process.
func (n *Node) removeVPN() error {
	link, err := n.links.LinkByName(vpnLink)
	if _, none := errors.AsType[netlink.LinkNotFoundError](err); none {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find wg0 of node %d: %w", n.ID, err)
	}
	// That of an engine goes by itself, a moment after the engine.
	if err := n.links.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove wg0 of node %d: %w", n.ID, err)
	}
	return nil
}

// PowerOn boots the node: kernel settings, the VPN as wg-quick restores it, Redis, the
// agents, cluster-admin. What a node that never was set up lacks is not started.
func (n *Node) PowerOn(ctx context.Context) error {
	n.off.Store(false)
	if err := n.wire(); err != nil {
		return err
	}
	if err := n.awaitLink(ctx); err != nil {
		return err
	}
	if err := n.applySettings(); err != nil {
		return err
	}
	joined, err := n.HasFile(vpnConf)
	if err != nil {
		return err
	}
	if joined {
		if _, err = n.Run(ctx, "wg-quick", "up", vpnLink); err != nil {
			return fmt.Errorf("boot: %w", err)
		}
	}
	if err = n.services[Redis].Start(ctx); err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	ready, err := n.HasFile("/etc/nethserver/agent.env")
	if err != nil || !ready {
		return err
	}
	return n.startAgents(ctx)
}

func (n *Node) startAgents(ctx context.Context) error {
	return errors.Join(
		n.services[ClusterAgent].Start(ctx),
		n.services[NodeAgent].Start(ctx),
		n.Admin.Start(ctx),
	)
}

// applySettings sets the kernel's network settings as a boot does.
func (n *Node) applySettings() error {
	root, err := n.root()
	if err != nil {
		return err
	}
	settings, err := nodeSettings(root.FS())
	if err = errors.Join(err, root.Close()); err != nil {
		return err
	}
	_, err = inNetwork(n.holder.pid, func() (struct{}, error) {
		errs := []error{bootSysctl()}
		for _, s := range settings {
			errs = append(errs, setSysctl(s))
		}
		return struct{}{}, errors.Join(errs...)
	})
	return err
}
