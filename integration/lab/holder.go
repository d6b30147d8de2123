package lab

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A holder is a process that does nothing but keep a node's namespaces. It is started
// in them, prepares them from within, says so with one line, and ends at the end of
// its standard input.
const holderReady = "ready\n"

// runHolder takes the host name and, for a node, the directory of its files.
func runHolder(args []string) int {
	if err := holderPrepare(args); err != nil {
		fmt.Fprintln(os.Stderr, "lab: prepare namespaces:", err)
		return 1
	}
	if _, err := io.WriteString(os.Stdout, holderReady); err != nil {
		return 1
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return 1
	}
	return 0
}

func holderPrepare(args []string) error {
	if err := unix.Sethostname([]byte(args[0])); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	if len(args) == 1 {
		return nil
	}
	if err := bootSysctl(); err != nil {
		return err
	}
	return mountNode(args[1])
}

// mountNode puts the directories that were prepared under dir in their places.
func mountNode(dir string) error {
	for _, o := range overlays() {
		options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", o.lower(dir), o.upper(dir), o.work(dir))
		if err := unix.Mount("node", o.target, "overlay", 0, options); err != nil {
			return fmt.Errorf("mount overlay on %s: %w", o.target, err)
		}
	}
	// /run comes last: dir itself is in it.
	for _, target := range []string{"/tmp", "/var/log", "/run"} {
		if err := unix.Mount(filepath.Join(dir, target), target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", target, err)
		}
	}
	return nil
}
