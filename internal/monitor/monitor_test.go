package monitor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The thread that counts as the monitor is the one that naps all the time while others work.
func TestMonitorAmong(t *testing.T) {
	t.Parallel()
	threads, err := list()
	must(t, err)
	naps := map[string]int{}
	for range 3000 { // that is work
		for _, thread := range threads {
			where, err := os.ReadFile(filepath.Join("/proc", thread, "wchan"))
			if err != nil && !isGone(err) { // that of another test
				t.Fatal(err)
			}
			if string(where) == "hrtimer_nanosleep" {
				naps[thread]++
			}
		}
	}
	monitor := monitorAmong(threads)
	if naps[monitor] == 0 {
		t.Errorf("thread %s does not nap: %v", monitor, naps)
	}
	for _, thread := range threads {
		if thread != monitor && naps[thread] > naps[monitor]/4 {
			t.Errorf("thread %s naps, too: %v, and the monitor counts as %s", thread, naps, monitor)
		}
	}
}

// calm skips the test where that is not allowed, or the kernel knows no slack.
func calm(t *testing.T) (usual time.Duration) {
	t.Helper()
	usual, err := Calm()
	if errors.Is(err, os.ErrPermission) || isGone(err) || err == nil && usual == 0 {
		t.Skip("the timer slack cannot be changed: ", err)
	}
	must(t, err)
	return usual
}

// Only the monitor thread's sleeps are drawn out, until it starts others.
func TestCalm(t *testing.T) { //nolint:paralleltest // the threads are the process's
	usual := calm(t)
	main, err := slackOf("self")
	must(t, err)
	threads, err := list()
	must(t, err)
	monitors, err := slackOf(monitorAmong(threads))
	must(t, err)
	if main != usual || monitors != slack {
		t.Errorf("usual is %v, the main thread has %v, the monitor thread %v", usual, main, monitors)
	}
}

// A thread that has inherited the monitor's slack is given back what is usual; one that
// has another has it still. It may be the main thread, which does not end: so it is left as it was.
func TestHeal(t *testing.T) { //nolint:paralleltest // the threads are the process's
	usual := calm(t)
	for had, want := range map[time.Duration]time.Duration{slack: usual, 7 * time.Microsecond: 7 * time.Microsecond} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // which ends with this goroutine
			if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(had), 0, 0, 0); err != nil {
				t.Error(err)
			}
			if err := heal(usual); err != nil {
				t.Error(err)
			}
			if now, err := slackOf(strconv.Itoa(unix.Gettid())); err != nil || now != want {
				t.Errorf("had %v, has %v, want %v; %v", had, now, want, err)
			}
			if err := setSlack(strconv.Itoa(unix.Gettid()), usual); err != nil {
				t.Error(err)
			}
		}()
		<-done
	}
}

// Where nothing was changed there is nothing to keep.
func TestKeep(t *testing.T) {
	t.Parallel()
	must(t, Keep(t.Context(), 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, Keep(ctx, time.Microsecond))
}
