package worker

import (
	"context"
	"testing"
	"testing/synctest"
)

// Who gets a task whose result is on its way waits for the last of those, or for his end.
func TestLeaving(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeaving()
		l.wait(t.Context(), "a")
		first, second := l.begin("a"), l.begin("a")
		waited, over := make(chan struct{}), false
		go func() { l.wait(t.Context(), "a"); over = true; close(waited) }()
		l.wait(t.Context(), "b")
		first()
		synctest.Wait()
		if over {
			t.Error("it did not wait for the second")
		}
		ended, end := context.WithCancel(t.Context())
		end()
		l.wait(ended, "a")
		second()
		<-waited
		if len(l.tasks)+len(l.count) != 0 {
			t.Errorf("left are %v", l.count)
		}
	})
}
