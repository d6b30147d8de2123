package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// self is the program's own file, whatever happened to its path since it started.
const self = "/proc/self/exe"

// stopGrace is how long the inside may take to end after a signal.
const stopGrace = 5 * time.Second

// Enter runs the program again inside new network, mount and pid namespaces, with
// the same standard streams, waits for its end and returns its exit code. args are
// os.Args as the inner program is to see them; extra files become its descriptors 3, 4, ….
//
// The inside never outlives the caller: a signal that asks to stop is passed on and
// after five seconds, or at the second one, becomes SIGKILL; and the kernel sends
// SIGKILL when the caller dies. With pid 1 the kernel ends every process of the
// namespace, and with them go interfaces, mounts and files.
func Enter(args []string, extra ...*os.File) (int, error) {
	// The signal of prctl(2) PR_SET_PDEATHSIG comes when the *thread* that forked ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := &exec.Cmd{
		Path:       self,
		Args:       append([]string{roleInit, strconv.Itoa(len(extra))}, args[1:]...),
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
		ExtraFiles: extra,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
			Pdeathsig:  syscall.SIGKILL,
			// Out of the terminal's foreground group: Ctrl-C reaches only the caller,
			// and services do not die by it before the lab has stopped them.
			Setpgid: true,
		},
	}
	signals := notifyStop()
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("make namespaces (this needs root): %w", err)
	}
	ended := make(chan struct{})
	defer close(ended)
	go passOn(signals, cmd.Process, ended)
	return exitCode(cmd.Wait())
}

func notifyStop() chan os.Signal {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	return signals
}

// passOn sends the first signal on and kills at the second, or when the time is up.
func passOn(signals <-chan os.Signal, p *os.Process, ended <-chan struct{}) {
	var late <-chan time.Time
	for asked := false; ; asked = true {
		next := os.Signal(syscall.SIGKILL)
		select {
		case got := <-signals:
			if !asked {
				next = got
			}
		case <-late:
		case <-ended:
			return
		}
		late = time.After(stopGrace)
		if err := p.Signal(next); err != nil && !errors.Is(err, os.ErrProcessDone) {
			fmt.Fprintln(os.Stderr, "lab: pass signal on:", err)
		}
	}
}

// exitCode turns the result of Wait into what a shell would report.
func exitCode(err error) (int, error) {
	if err == nil {
		return 0, nil
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 1, fmt.Errorf("wait for the lab: %w", err)
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return signalCode(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// signalCode is the exit code that shells give to a death by signal.
func signalCode(s syscall.Signal) int { return 128 + int(s) }
