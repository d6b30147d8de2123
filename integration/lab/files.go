package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// overlay is a directory of the machine that a node sees with its own changes.
type overlay struct {
	target string
	mode   os.FileMode
	// layer, under the lab's directory, lies between the machine's files and the node's own.
	layer string
}

func overlays() []overlay {
	return []overlay{
		{target: "/etc", mode: 0o755},
		{target: "/var/lib", mode: 0o755},
		{target: "/usr/local", mode: 0o755, layer: "local"},
		{target: "/root", mode: 0o700},
	}
}

func (o overlay) upper(dir string) string { return filepath.Join(dir, "upper", o.target) }
func (o overlay) work(dir string) string  { return filepath.Join(dir, "work", o.target) }

func (o overlay) lower(dir string) string {
	if o.layer == "" {
		return o.target
	}
	return filepath.Join(filepath.Dir(dir), o.layer) + ":" + o.target
}

// owner is a user with its main group.
type owner struct{ uid, gid int }

func lookupOwner(name string) (owner, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return owner{}, fmt.Errorf("look user %s up: %w", name, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return owner{}, fmt.Errorf("user id of %s: %w", name, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return owner{}, fmt.Errorf("group id of %s: %w", name, err)
	}
	return owner{uid, gid}, nil
}

// makeNodeFiles prepares, under dir, the files of a node as a fresh installation has
// them. It writes into upper layers only: nothing here can touch the machine's files.
func makeNodeFiles(dir, hostname string) error {
	redis, err := lookupOwner("redis")
	if err != nil {
		return err
	}
	for _, o := range overlays() {
		if err := errors.Join(mkdir(o.upper(dir), o.mode), mkdir(o.work(dir), 0o700)); err != nil {
			return err
		}
	}
	etc, lib := filepath.Join(dir, "upper/etc"), filepath.Join(dir, "upper/var/lib")
	return errors.Join(
		hide("/etc/nethserver", etc),
		hide("/var/lib/nethserver", lib),
		freshDir(filepath.Join(etc, "wireguard"), 0o700, owner{}),
		freshDir(filepath.Join(etc, "redis"), 0o2770, redis),
		freshDir(filepath.Join(lib, "redis"), 0o750, redis),
		copyFile("/etc/redis/redis.conf", filepath.Join(etc, "redis/redis.conf"), 0o640, redis),
		writeEtc(etc, hostname),
		mkdir(filepath.Join(dir, "tmp"), os.ModeSticky|0o777),
		mkdir(filepath.Join(dir, "var/log"), 0o755),
		ownedDir(filepath.Join(dir, "var/log/redis"), 0o2750, redis),
		mkdir(filepath.Join(dir, "run"), 0o755),
		makeRun(filepath.Join(dir, "run")),
	)
}

// makeRun fills an empty /run as a boot does.
func makeRun(run string) error {
	redis, err := lookupOwner("redis")
	if err != nil {
		return err
	}
	return errors.Join(
		ownedDir(filepath.Join(run, "redis"), 0o2755, redis),
		mkdir(filepath.Join(run, "lock"), os.ModeSticky|0o777),
	)
}

// writeEtc writes the files that name the node. There is no name server: names are in
// /etc/hosts or unknown, at once.
func writeEtc(etc, hostname string) error {
	hosts := "127.0.0.1\tlocalhost\n127.0.1.1\t" + hostname + "\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	return errors.Join(
		os.WriteFile(filepath.Join(etc, "hosts"), []byte(hosts), 0o644),                      //nolint:gosec // world-readable as on any machine
		os.WriteFile(filepath.Join(etc, "hostname"), []byte(hostname+"\n"), 0o644),           //nolint:gosec // as above
		os.WriteFile(filepath.Join(etc, "resolv.conf"), []byte("# no name server\n"), 0o644), //nolint:gosec // as above
	)
}

// mkdir makes a directory with exactly this mode, whatever the umask.
func mkdir(path string, mode os.FileMode) error {
	return errors.Join(os.MkdirAll(path, 0o700), os.Chmod(path, mode))
}

// ownedDir makes a directory with exactly this mode and owner; mode is the Unix one.
func ownedDir(path string, mode uint32, o owner) error {
	return errors.Join(os.MkdirAll(path, 0o700), os.Chown(path, o.uid, o.gid), unix.Chmod(path, mode))
}

// freshDir makes a directory in an upper layer that shows nothing of the lower one.
func freshDir(path string, mode uint32, o owner) error {
	if err := ownedDir(path, mode, o); err != nil {
		return err
	}
	if err := unix.Setxattr(path, "trusted.overlay.opaque", []byte("y"), 0); err != nil {
		return fmt.Errorf("make %s opaque: %w", path, err)
	}
	return nil
}

// hide makes path, which the machine may have, absent in the overlay with this upper layer.
func hide(path, upper string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := unix.Mknod(filepath.Join(upper, filepath.Base(path)), unix.S_IFCHR, 0); err != nil {
		return fmt.Errorf("hide %s: %w", path, err)
	}
	return nil
}

func copyFile(from, to string, mode uint32, o owner) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return errors.Join(os.WriteFile(to, data, 0o600), //nolint:gosec // in the directory that the lab made
		os.Chown(to, o.uid, o.gid), unix.Chmod(to, mode))
}

// clearDir removes what is in a directory, but not the directory, which may be a mount.
func clearDir(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("clear: %w", err)
	}
	var errs []error
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(path, e.Name())))
	}
	return errors.Join(errs...)
}
