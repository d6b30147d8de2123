package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReport: a bad outcome names the tasks, with what is known of each.
func TestReport(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), logName)
	must(t, os.WriteFile(log, []byte("=== fault 1: cut\n<6>t1: echo/10 is starting\n<6>t2: other\n"), 0o600))
	h := made("one step", 12, func(h *history) {
		h.Runs["t1"]["10"] = 2
		h.Eternal, h.Progress, h.Trouble = []string{"some/key"}, []string{`{"id":"x"}`}, []string{"the agent ended"}
	})
	o := outcome{history: h, verdict: judge(h), faults: map[faultKind]int{cut: 2, slow: 1}, took: time.Minute, log: log}
	var text bytes.Buffer
	must(t, report(&text, "the run", o))
	for _, want := range []string{
		"the run\n", "tasks                  1", "faults                 3  cut 2, slow 1", "doubled                1", "lost                   0",
		"left in progress       1", "keys without TTL       1", "other trouble          1", "one step            12: 1",
		"TROUBLE: the agent ended", `LEFT: {"id":"x"}`, "WITHOUT TTL: some/key",
		"t1 DOUBLED: step 10 ran 2 times\n", "exit_code 12", "map[10:2]", "statuses: aborted", "t1: echo/10 is starting   [fault 1: cut]",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(text.String(), "t2") || t.Failed() {
		t.Errorf("it says:\n%s", &text)
	}
}

func TestTotal(t *testing.T) {
	t.Parallel()
	bad := made("one step", 0, func(h *history) { h.Tasks[0].Answered, h.Runs["t1"]["10"], h.Results = false, 2, gone() })
	good := made("one step", 0, nil)
	for name, c := range map[string]struct {
		histories []history
		want      string
	}{
		"one not played": {[]history{good}, "FAILED: 1 tasks, 2 faults, 0 lost, 0 doubled, 0 unanswered\n"},
		"good":           {[]history{good, good}, "good: 2 tasks, 4 faults, 0 lost, 0 doubled, 0 unanswered\n"},
		"bad":            {[]history{good, bad}, "FAILED: 2 tasks, 4 faults, 1 lost, 1 doubled, 1 unanswered\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outcomes := make([]outcome, len(c.histories))
			for i, h := range c.histories {
				outcomes[i] = outcome{history: h, verdict: judge(h), faults: map[faultKind]int{cut: 2}}
			}
			var text bytes.Buffer
			if all := total(&text, outcomes, 2); all != (name == "good") || text.String() != c.want {
				t.Errorf("%v, and it says %q", all, &text)
			}
		})
	}
}

// TestProgram: what can be asked for without a run.
func TestProgram(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		out  string
		err  string
	}{
		"help":           {[]string{"--help"}, 0, "", "Examples:"},
		"schedule":       {[]string{"-schedule", "-seed", "5", "-faults", "10", "-tasks", "100"}, 0, "second run: Redis comes back empty, seed 5", ""},
		"unknown flag":   {[]string{"-nothing"}, 2, "", "not defined: -nothing"},
		"an argument":    {[]string{"now"}, 2, "", `unexpected argument "now"`},
		"no such run":    {[]string{"-only", "fourth"}, 2, "", `not "fourth"`},
		"no faults":      {[]string{"-faults", "0"}, 2, "", "at least 1"},
		"no agent there": {[]string{"-agent", "/nowhere/agent"}, 2, "", "make build"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := run(c.args, &stdout, &stderr); code != c.code {
				t.Errorf("exit code %d", code)
			}
			if !strings.Contains(stdout.String(), c.out) || !strings.Contains(stderr.String(), c.err) {
				t.Errorf("it says\n%s\n%s", &stdout, &stderr)
			}
		})
	}
}
