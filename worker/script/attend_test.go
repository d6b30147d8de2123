package script

import (
	"os"
	"syscall"
	"testing"
)

// TestPidfdThatCannotBePolled: Linux 5.2 gives pidfds, but refuses to poll them.
// What refuses in the same way stands in for one.
func TestPidfdThatCannotBePolled(t *testing.T) {
	t.Parallel()
	var all watches
	w, err := all.get()
	if err != nil {
		t.Fatal(err)
	}
	s := &streams{watch: w, note: func(err error) {
		if err != nil {
			t.Error(err)
		}
	}}
	p, err := (&Runner{withoutPidfd: true}).start(t.Context(), "/bin/false", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.pidfd, err = syscall.Open(os.DevNull, syscall.O_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	attend(p, s, 0)
	if p.pidfd != none || p.end == nil || p.end.err != nil || p.end.status.ExitStatus() != 1 {
		t.Errorf("pidfd is %d, end is %+v", p.pidfd, p.end)
	}
	s.close(&all)
	if err := all.close(); err != nil {
		t.Error(err)
	}
}

// TestWatchBreaks: trouble with the watch itself leaves no step unreaped.
func TestWatchBreaks(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*watch) error{
		"altogether": func(w *watch) error { w.fd = none; return w.close() },
		"at waiting": func(w *watch) error { return w.close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := newWatch()
			if err != nil {
				t.Fatal(err)
			}
			if w.fd, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil { // that of the set may be another's when it is closed
				t.Fatal(err)
			}
			own := w.fd
			p, err := (&Runner{}).start(t.Context(), "/bin/false", nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(w); err != nil {
				t.Fatal(err)
			}
			attend(p, &streams{watch: w, note: func(error) {}}, 0)
			if p.pidfd != none || p.end == nil || p.end.err != nil || p.end.status.ExitStatus() != 1 {
				t.Errorf("pidfd is %d, end is %+v", p.pidfd, p.end)
			}
			if err := syscall.Close(own); err != nil {
				t.Error(err)
			}
		})
	}
}
