package lab

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// base is where all files of labs are: on a tmpfs that only the inside sees. Under
// /run, because every system has it and nothing of the machine's own /run belongs
// in a node, least of all /run/systemd, by which software knows that systemd runs.
const base = "/run/lab"

// prepareOuter makes the new namespaces a place to live in.
func prepareOuter() error {
	if err := makePrivate(); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("lab", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if err := os.Mkdir(base, 0o700); err != nil {
		return fmt.Errorf("make the lab's directory: %w", err)
	}
	return loopbackUp()
}

// makePrivate keeps the mounts made here from reaching the machine.
func makePrivate() error {
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	// In a chroot / is no mount and cannot be changed. That does no harm if nothing
	// on this machine shares its mounts.
	mounts, err := os.ReadFile("/proc/1/mountinfo")
	if err != nil {
		return fmt.Errorf("read mounts: %w", err)
	}
	if strings.Contains(string(mounts), " shared:") {
		return errors.New("this is a chroot on a machine that shares its mounts: " +
			"make its directory a mount first (mount --bind --make-private DIR DIR)")
	}
	return nil
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}
