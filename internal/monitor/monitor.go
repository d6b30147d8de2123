// Package monitor has the Go runtime's monitor thread look less often after what the others do.
//
// While a program works, that thread sleeps for 20 µs at a time, to see whether a goroutine could
// use the processor of one that waits in a system call, and with the kernel's usual timer slack of
// 50 µs it does so thousands of times a second: a seventh of what an agent under load takes. A
// sleep may end a little later than it was asked for; how much, its slack, is the thread's own
// (PR_SET_TIMERSLACK of prctl(2), proc_pid_timerslack_ns(5)).
//
// A thread inherits the slack of the one that starts it, a process likewise. So what the monitor
// thread starts, and that in turn, has to be given back what was usual: [Keep] does.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// slack is as long as the kernel may let another process have the processor anyhow.
	slack = time.Millisecond
	// lookEvery is how often is looked for threads that have inherited it.
	lookEvery = time.Second
)

// Calm does so from now on, and returns the slack that the process began with; 0: nothing was
// changed, since that is as much already, or the kernel knows none, as for real-time processes.
// Without CAP_SYS_NICE it is not allowed, [os.ErrPermission].
func Calm() (usual time.Duration, err error) {
	if usual, err = slackOf("self"); err != nil || usual == 0 || usual >= slack {
		return 0, err
	}
	threads, err := list()
	if err == nil {
		err = setSlack(monitorAmong(threads), slack)
	}
	if err != nil {
		return 0, err
	}
	return usual, nil
}

// Keep gives the other threads back what is usual, from time to time, until ctx ends or that
// fails. usual is what [Calm] has returned.
func Keep(ctx context.Context, usual time.Duration) error {
	if usual == 0 {
		return nil
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := heal(usual); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func heal(usual time.Duration) error {
	threads, err := list()
	if err != nil {
		return err
	}
	for _, thread := range threads {
		if thread == monitorAmong(threads) {
			continue
		}
		now, err := slackOf(thread)
		if err == nil && now == slack {
			err = setSlack(thread, usual)
		}
		if err != nil && !isGone(err) {
			return err
		}
	}
	return nil
}

func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// list returns the threads in the order in which they began, as the kernel does.
func list() ([]string, error) {
	tasks, err := os.Open("/proc/self/task")
	if err != nil {
		return nil, fmt.Errorf("list threads: %w", err)
	}
	threads, err := tasks.Readdirnames(-1)
	if err = errors.Join(err, tasks.Close()); err != nil {
		return nil, fmt.Errorf("list threads: %w", err)
	}
	if len(threads) < 2 {
		return nil, errors.New("list threads: there is the main one alone")
	}
	return threads, nil
}

// monitorAmong returns the monitor thread: the runtime starts it before any other but the main one.
func monitorAmong(threads []string) string { return threads[1] }

func slackOf(thread string) (time.Duration, error) {
	text, err := os.ReadFile(slackFile(thread))
	if err != nil {
		return 0, fmt.Errorf("read timer slack: %w", err)
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return time.Duration(ns), err
}

func setSlack(thread string, d time.Duration) error {
	if err := os.WriteFile(slackFile(thread), strconv.AppendInt(nil, d.Nanoseconds(), 10), 0); err != nil {
		return fmt.Errorf("set timer slack: %w", err)
	}
	return nil
}

func slackFile(thread string) string { return filepath.Join("/proc", thread, "timerslack_ns") }
