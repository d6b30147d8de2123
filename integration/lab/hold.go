package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// holder is the lab's side of a process that keeps namespaces (see runHolder).
type holder struct {
	pid   int
	cmd   *exec.Cmd
	leash io.Closer // its standard input: the process ends when this is closed
}

// startHolder makes namespaces: network and host name, and mounts if there is a
// directory of files to mount. They are prepared when it returns.
func startHolder(ctx context.Context, hostname, dir string) (*holder, error) {
	args := []string{roleHolder, hostname}
	flags := uintptr(syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS)
	if dir != "" {
		args = append(args, dir)
		flags |= syscall.CLONE_NEWNS
	}
	var stderr bytes.Buffer
	cmd := &exec.Cmd{Path: self, Args: args, Dir: "/", Stderr: &stderr, Env: []string{raceSetting}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Setsid: true}
	leash, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start holder: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start holder: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start holder: %w", err)
	}
	h := &holder{pid: cmd.Process.Pid, cmd: cmd, leash: leash}
	// It does a handful of mounts; only a broken machine lets it hang.
	stop := context.AfterFunc(ctx, func() { h.cancel() })
	defer stop()
	said := make([]byte, len(holderReady))
	if _, err := io.ReadFull(stdout, said); err != nil {
		return nil, fmt.Errorf("make namespaces of %s: %w: %s", hostname, errors.Join(err, h.end()), stderr.String())
	}
	return h, nil
}

func (h *holder) cancel() {
	if err := h.leash.Close(); err != nil {
		return // closed before: that is all that is wanted
	}
}

// end lets the namespaces go and waits for the process.
func (h *holder) end() error {
	h.cancel()
	if err := h.cmd.Wait(); err != nil {
		return fmt.Errorf("end holder: %w", err)
	}
	return nil
}

// route makes a switch a router, so that what nobody has is answered by "unreachable"
// at once, as on the internet, instead of by silence.
func (h *holder) route() error {
	_, err := inNetwork(h.pid, func() (struct{}, error) {
		return struct{}{}, errors.Join(setSysctl("net.ipv4.ip_forward=1"), setSysctl("net.ipv6.conf.all.forwarding=1"))
	})
	return err
}
