package lab

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// runInit is pid 1 of the lab: it prepares the namespaces, starts the program inside
// and reaps what daemons leave behind. The program itself cannot be pid 1: reaping
// all children would take its own children's exit codes from it.
func runInit(args []string) int {
	extra, err := strconv.Atoi(args[0])
	if err != nil {
		return initFailed(fmt.Errorf("count of files: %w", err))
	}
	if err = prepareOuter(); err != nil {
		return initFailed(err)
	}
	signals := notifyStop()
	files := []*os.File{nil, os.Stdout, os.Stderr}
	for i := range extra {
		files = append(files, os.NewFile(uintptr(len(files)), "extra"+strconv.Itoa(i)))
	}
	inner, err := os.StartProcess(self, append([]string{roleInner}, args[1:]...), &os.ProcAttr{Files: files})
	if err != nil {
		return initFailed(fmt.Errorf("start the lab: %w", err))
	}
	go func() {
		for s := range signals {
			if err := inner.Signal(s); err != nil {
				return
			}
		}
	}()
	return reapUntil(inner.Pid)
}

func initFailed(err error) int {
	fmt.Fprintln(os.Stderr, "lab:", err)
	return 1
}

// reapUntil collects ended children until process pid is among them; returns its exit code.
func reapUntil(pid int) int {
	for {
		var status unix.WaitStatus
		ended, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return initFailed(fmt.Errorf("wait for children: %w", err))
		case ended == pid && status.Signaled():
			return signalCode(status.Signal())
		case ended == pid:
			return status.ExitStatus()
		}
	}
}
