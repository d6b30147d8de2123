package monitor

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The thread that is found is the one that naps while the others work.
func TestFind(t *testing.T) {
	t.Parallel()
	thread, err := find()
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if where := read(t, thread, "wchan"); where == "hrtimer_nanosleep" {
			return
		}
	}
	t.Errorf("thread %s does not nap", thread)
}

// Only that thread's sleeps are drawn out, and those of threads that it starts.
func TestCalm(t *testing.T) {
	t.Parallel()
	usual, err := Calm()
	if errors.Is(err, os.ErrPermission) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if main := read(t, "self", "timerslack_ns"); usual <= 0 || main != strconv.FormatInt(usual.Nanoseconds(), 10) {
		t.Errorf("the main thread's slack is %s ns, and %v is returned", main, usual)
	}
	thread, err := find()
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, thread, "timerslack_ns"); got != "1000000" {
		t.Errorf("the monitor thread's slack is %s ns", got)
	}
}

func read(t *testing.T, thread, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("/proc", thread, file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}
