package script

import (
	"syscall"
	"testing"
)

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
			p, err := new(Runner).start("/bin/false", nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(w); err != nil {
				t.Fatal(err)
			}
			new(Runner).attend(p, &streams{watch: w, note: func(error) {}, open: 1})
			if p.pidfd != none || p.end == nil || p.end.err != nil || p.end.status.ExitStatus() != 1 {
				t.Errorf("pidfd is %d, end is %+v", p.pidfd, p.end)
			}
			if err := syscall.Close(own); err != nil {
				t.Error(err)
			}
		})
	}
}
