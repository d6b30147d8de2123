package protocol

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cluster-agent/internal/wait"
)

// until asks again and again, until the answer is yes.
func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !ask() {
		if !wait.For(ctx, 5*time.Millisecond) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// bestOf wants one of several tries to take no longer than the limit: a busy
// machine may make any single one late.
func bestOf(t *testing.T, limit time.Duration, try func() time.Duration) {
	t.Helper()
	const tries = 3
	took := make([]time.Duration, 0, tries)
	for len(took) < tries {
		took = append(took, try())
		if slices.Min(took) <= limit {
			return
		}
	}
	t.Errorf("took %v, want at most %v", took, limit)
}

// says waits until the agent has written a text to its stderr.
func (p *process) says(text string) {
	p.t.Helper()
	until(p.t, "the log says "+text, func() bool { return strings.Contains(p.stderr.String(), text) })
}

// lines are the complete lines of the agent's stderr that hold a text.
func (p *process) lines(text string) []string {
	var found []string
	for line := range strings.Lines(p.stderr.String()) {
		if strings.HasSuffix(line, "\n") && strings.Contains(line, text) {
			found = append(found, strings.TrimSuffix(line, "\n"))
		}
	}
	return found
}

// drain ends the agent with SIGUSR1 and wants it to exit 0.
func (p *process) drain() {
	p.t.Helper()
	p.signal(syscall.SIGUSR1)
	if _, signal, code := p.end(); signal != 0 || code != 0 {
		p.t.Errorf("SIGUSR1 ended the agent with signal %d, exit code %d", signal, code)
	}
}

// pid is the agent's process id.
func (p *process) pid() string { return strconv.Itoa(p.cmd.Process.Pid) }
