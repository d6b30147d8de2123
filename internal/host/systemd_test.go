package host

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestSystemdCommands(t *testing.T) {
	t.Parallel()
	golden := strings.Join([]string{
		"systemctl daemon-reload",
		"systemctl enable --now redis-server",
		"systemctl restart redis-server",
		"systemctl restart --no-block agent@node",
		"systemctl restart wg-quick@wg0",
		"systemctl stop wg-quick@wg0",
		"systemctl restart wg-quick@wg0",
		"systemctl enable wg-quick@wg0",
	}, "\n")
	run := &fakeRunner{t: t, known: map[string]error{}}
	for line := range strings.SplitSeq(golden, "\n") {
		run.known[line] = nil
	}
	useManager(t, NewSystemd(run))
	if run.lines() != golden {
		t.Errorf("ran:\n%s", run.lines())
	}
}

// useManager calls everything once.
func useManager(t *testing.T, m Manager) {
	t.Helper()
	for _, call := range []func(context.Context) error{
		m.Reload,
		func(ctx context.Context) error { return m.Enable(ctx, RedisUnit) },
		func(ctx context.Context) error { return m.Restart(ctx, RedisUnit) },
		func(ctx context.Context) error { return m.RequestRestart(ctx, NodeAgentUnit) },
		m.WGUp, m.WGDown, m.WGRestart, m.WGEnable,
	} {
		must(t, call(t.Context()))
	}
}

func TestSystemdFailure(t *testing.T) {
	t.Parallel()
	failure := errors.New("unit not found")
	run := &fakeRunner{t: t, known: map[string]error{"systemctl restart redis-server": failure}}
	if err := NewSystemd(run).Restart(t.Context(), RedisUnit); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
}

func TestDetectManager(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	got, err := DetectManager(files, Exec{})
	must(t, err)
	if _, ok := got.(*Supervised); !ok {
		t.Errorf("without systemd: %T", got)
	}
	must(t, os.MkdirAll(files.systemdDir(), 0o755))
	got, err = DetectManager(files, Exec{})
	must(t, err)
	if _, ok := got.(*Systemd); !ok {
		t.Errorf("with systemd: %T", got)
	}
}

// TestSystemctlVerbs holds the golden lines against the real program: it must
// know the verbs and options even where it can reach no systemd.
func TestSystemctlVerbs(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemctl"); err != nil {
		skipOrFail(t, "needs systemctl")
	}
	for _, args := range []string{"restart --no-block", "enable --now", "daemon-reload", "start", "stop"} {
		line := append(strings.Fields(args), "--help")
		if out, err := (Exec{}).Run(t.Context(), "systemctl", line...); err != nil {
			t.Errorf("%s: %v %s", args, err, out)
		}
	}
}
