package main

import (
	"bytes"
	"testing"

	"cluster-agent/internal/cli"
	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
)

func TestLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	env := &environment{Environment: cli.Environment{Stderr: &out}}
	env.logger().Debug("not wanted")
	env.logger().WithField("n", 1).Warn("for journald")
	if got, want := out.String(), "<4>for journald n=1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPrintOutput(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, output string
		raw          bool
		want         string
	}{
		{"nothing", "", false, ""},
		{"JSON", `{"b": 1, "a": [1.50, null]}` + "\n", false, `{"b":1,"a":[1.50,null]}` + "\n"},
		{"large number", "12345678901234567890", false, "12345678901234567890\n"},
		{"text", "hello\nworld\n", false, `"hello\nworld\n"` + "\n"},
		{"text with what HTML would escape", "a <b> & c", false, `"a <b> & c"` + "\n"},
		{"two documents", "{} {}", false, `"{} {}"` + "\n"},
		{"space", " \n", false, `" \n"` + "\n"},
		{"no UTF-8", "\xff", false, "\"\\ufffd\"\n"},
		{"raw nothing", "", true, ""},
		{"raw JSON", `{"b": 1}`, true, `{"b": 1}`},
		{"raw bytes", "\xff\x00", true, "\xff\x00"},
	} {
		var out bytes.Buffer
		if err := printOutput(&out, runOptions{raw: c.raw}, []byte(c.output)); err != nil || out.String() != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.name, out.String(), err, c.want)
		}
	}
}

func TestTell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		outcome        redisq.Outcome
		verbose        bool
		code           int
		stdout, stderr string
	}{
		{"well", redisq.Outcome{Status: worker.Completed, Output: []byte("1")}, false, 0, "1\n", ""},
		{"exit code", redisq.Outcome{Status: worker.Aborted, Error: []byte("why\n"), ExitCode: 7}, false, 7, "", "why\n"},
		{
			"validation",
			redisq.Outcome{Status: worker.ValidationFailed, Output: []byte("[]"), ExitCode: 3},
			true, 3, "[]\n", "validation-failed, exit code 3\n",
		},
		{
			"replaced",
			redisq.Outcome{Status: worker.Completed, Replaced: true},
			false, 0, "", "The data of this node's Redis were replaced meanwhile, the task's output with them\n",
		},
		{"no code", redisq.Outcome{Status: worker.Aborted}, false, 1, "", ""},
	} {
		var stdout, stderr bytes.Buffer
		env := &environment{Environment: cli.Environment{Stdout: &stdout, Stderr: &stderr}}
		code := cli.ExitCode(tell(env, runOptions{verbose: c.verbose}, c.outcome), &stderr)
		if code != c.code || stdout.String() != c.stdout || stderr.String() != c.stderr {
			t.Errorf("%s: exit code %d, %q, %q", c.name, code, stdout.String(), stderr.String())
		}
	}
}

func TestProgressLine(t *testing.T) {
	t.Parallel()
	news := []worker.Progress{{Status: worker.Running, Percent: 0}, {Status: worker.Running, Percent: 50}}
	for _, c := range []struct {
		name string
		line *progressLine
		want string
	}{
		{"not wanted", &progressLine{}, "agent gone\n"},
		{"every news", &progressLine{verbose: true}, "running 0%\nrunning 50%\nagent gone\n"},
		{"every news on a terminal", &progressLine{verbose: true, terminal: true}, "running 0%\nrunning 50%\nagent gone\n"},
		{
			"terminal", &progressLine{terminal: true},
			"running 0%\r\033[Krunning 50%\r\033[Kagent gone\nrunning 50%\r\033[K",
		},
	} {
		var out bytes.Buffer
		c.line.out = &out
		for _, p := range news {
			c.line.update(p)
		}
		c.line.say("agent gone")
		c.line.end()
		if out.String() != c.want {
			t.Errorf("%s: %q, want %q", c.name, out.String(), c.want)
		}
	}
	if newProgressLine(&bytes.Buffer{}, false).terminal {
		t.Error("a buffer is a terminal")
	}
}

func TestTarget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, flag, agent, action string }{
		{"list-actions", "", "cluster", "list-actions"},
		{"node/2/list-actions", "", "node/2", "list-actions"},
		{"module/mail1/list-users", "", "module/mail1", "list-users"},
		{"cluster/add-node", "", "cluster", "add-node"},
		{"list-actions", "node/3", "node/3", "list-actions"},
	} {
		o := runOptions{agent: c.flag}
		if err := o.target(c.text); err != nil || o.agent != c.agent || o.action != c.action {
			t.Errorf("%s -a %q: agent %q, action %q, %v", c.text, c.flag, o.agent, o.action, err)
		}
	}
}
