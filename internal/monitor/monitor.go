// Package monitor has the Go runtime's monitor thread look less often after what the others do.
//
// While a program works, that thread sleeps for 20 µs at a time, to see whether a goroutine could
// use the processor of one that waits in a system call, and with the kernel's usual timer slack of
// 50 µs it does so thousands of times a second: a seventh of what an agent under load takes. A
// sleep may end a little later than it was asked for; how much, its slack, is the thread's own
// (PR_SET_TIMERSLACK of prctl(2), proc_pid_timerslack_ns(5)).
package monitor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// slack is as long as the kernel may let another process have the processor anyhow.
const slack = time.Millisecond

// Calm does so from now on, with one write to /proc, and returns the slack that the process began
// with: a thread that the monitor thread starts inherits its slack, and so do processes of that
// thread. Without CAP_SYS_NICE the kernel does not allow it, [os.ErrPermission], and all is as it was.
func Calm() (usual time.Duration, err error) {
	if usual, err = mainThreads(); err != nil {
		return 0, fmt.Errorf("read the timer slack: %w", err)
	}
	thread, err := find()
	if err != nil {
		return 0, fmt.Errorf("find the runtime's monitor thread: %w", err)
	}
	if err = os.WriteFile(slackOf(thread), strconv.AppendInt(nil, slack.Nanoseconds(), 10), 0); err != nil {
		return 0, fmt.Errorf("set the timer slack: %w", err)
	}
	return usual, nil
}

// mainThreads returns the slack of the main thread, which nobody has changed.
func mainThreads() (time.Duration, error) {
	text, err := os.ReadFile(slackOf("self"))
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return time.Duration(ns), err
}

func slackOf(thread string) string { return filepath.Join("/proc", thread, "timerslack_ns") }

// find returns the number of the monitor thread: the runtime starts it before any other, and the
// kernel lists threads in the order in which they began.
func find() (thread string, err error) {
	tasks, err := os.Open("/proc/self/task")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, tasks.Close()) }()
	threads, err := tasks.Readdirnames(2)
	if err != nil {
		return "", err
	}
	if len(threads) < 2 {
		return "", errors.New("no other thread than the main one")
	}
	return threads[1], nil
}
