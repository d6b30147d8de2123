package script_test

import (
	"strconv"
	"strings"
	"testing"

	"cluster-agent/worker"
)

// told lists the percents of the reports, heartbeats left out.
func told(a *agent, id string) string {
	var percents []string
	for _, p := range a.Told(id) {
		if p.Status == worker.Running && !p.Heartbeat {
			percents = append(percents, strconv.Itoa(p.Percent))
		}
	}
	return strings.Join(percents, " ")
}

// TestChannel: what a real step says on its command channel, and how it says it.
func TestChannel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		want   string // what is told
		log    string
	}{
		"progress":             {`echo set-progress 50 >&$AGENT_COMFD; echo set-progress 80 >&3`, "0 25 40 50 100", ""},
		"weights":              {`echo 'set-weight "20" 3' >&3; echo set-progress 50 >&3`, "0 12 25 100", ""},
		"in one write":         {`printf 'set-progress 50\nset-progress 80\n' >&3`, "0 25 40 50 100", ""},
		"in pieces":            {`printf set-pro >&3; printf 'gress 5' >&3; printf '0\nset-prog' >&3`, "0 25 50 100", `command "set-prog": not one of`},
		"without its argument": {`echo set-progress >&3; echo set-progress 50 >&3`, "0 25 50 100", `command "set-progress": not one of`},
		"rubbish":              {`head -c 3000 /dev/urandom >&3; echo >&3; echo set-progress 50 >&3`, "0 25 50 100", "command"},
		"a million bytes":      {`head -c 1000000 /dev/zero >&3; echo >&3; echo set-progress 50 >&3`, "0 25 50 100", "command is longer than 65536 bytes"},
		"unknown":              {`echo set-status running >&3; echo boo >&3`, "0 50 100", `command "boo"`},
		"out of range":         {`echo set-progress 101 >&3; echo set-weight nope 1 >&3`, "0 50 100", "has no such step"},
		"closed at once":       {`exec 3>&-; exit 0`, "0 50 100", ""},
		"all closed":           {`exec >&- 2>&- 3>&- <&-; exit 0`, "0 50 100", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			a.step("10", c.script)
			a.step("20", "exit 0")
			got := a.do("null")
			if percents := told(a, "t1"); got.ExitCode != 0 || percents != c.want {
				t.Errorf("got %d, told %q, want %q", got.ExitCode, percents, c.want)
			}
			if c.log != "" {
				a.wantLogged(c.log)
			}
		})
	}
}

// TestValidationFailed: the action stops after the step; the code is the step's,
// or 10.
func TestValidationFailed(t *testing.T) {
	t.Parallel()
	for end, code := range map[string]int{"exit 0": 10, "exit 3": 3, "kill -TERM $$": 143} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			a.step("10", "echo set-status validation-failed >&3; echo '[]'; "+end)
			a.step("20", "echo never")
			got := a.do("null")
			if got.ExitCode != code || got.Final.Status != worker.ValidationFailed || string(got.Output) != "[]\n" {
				t.Fatalf("got %d %+v %q", got.ExitCode, got.Final, got.Output)
			}
		})
	}
}
