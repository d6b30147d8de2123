package protocol

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"cluster-agent/integration/testbed"
)

// A step that prints a line of a million bytes, or one without an end, loses nothing of it.
func TestStepPrintsALongLine(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	const size = 1_000_000
	n.step("a/10", fmt.Sprintf(`head -c %d /dev/zero | tr '\0' o; head -c %d /dev/zero | tr '\0' e >&2`, size, size))
	c.run("a", "").goesWell(strings.Repeat("o", size)).errs(strings.Repeat("e", size))
}

// gigabyte is what a step prints that does not know when to stop.
const gigabyte = 1 << 30

// Rule (section 7): "**Output is bounded**: a step that prints without end neither exhausts memory nor Redis; past the bound (a
// setting, default 16 MiB a stream) the rest is dropped with a note in `error`, and the step goes on."
func TestStepPrintsAGigabyte(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env   map[string]string
		limit int
	}{
		"small limit":   {map[string]string{"AGENT_OUTPUT_LIMIT": "10000"}, 10_000},
		"default limit": {nil, 16 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.step("a/10", fmt.Sprintf("printf begin; head -c %d /dev/zero; touch ../went-on", gigabyte))
			n.step("a/20", "echo 20")
			p := n.start(c.env)
			before := p.peak(t)
			r := n.client(t).run("a", "").ends("completed", "0")
			if len(r.output) != c.limit || !strings.HasPrefix(r.output, "begin\x00") {
				t.Errorf("output has %d bytes", len(r.output))
			}
			if note := strconv.Itoa(gigabyte + len("begin20\n") - c.limit); !strings.Contains(r.errput, note) || !n.isFile("went-on") {
				t.Errorf("error is %.500q, and lacks %s", r.errput, note)
			}
			p.grewAtMost(t, before, copies*c.limit)
		})
	}
}

// Rule (section 7): "past the bound (a
// setting, default 16 MiB a stream) the rest is dropped with a note in `error`"
//
// The note has its place even where the error text itself is full, and what the
// step prints is on the agent's stderr all the same.
func TestStepFillsItsErrorText(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("a/10", "yes 123456789 | head -n 5000 >&2; echo the end >&2; exit 5")
	p := n.start(map[string]string{"AGENT_OUTPUT_LIMIT": "1000"})
	r := n.client(t).run("a", "").ends("aborted", "5").prints("")
	if len(r.errput) > 1200 || !strings.HasPrefix(r.errput, strings.Repeat("123456789\n", 100)) || !strings.Contains(r.errput[1000:], "49008") {
		t.Errorf("error has %d bytes, and ends with %.500q", len(r.errput), r.errput[min(1000, len(r.errput)):])
	}
	p.shows(t, "the end\n")
}

// copies is how often an agent may have what it keeps in memory at once: as it
// grows, for the result, on its way to Redis, and as garbage.
const copies = 8

// slack is what it may need beside that.
const slack = 64 << 20

// shadow is what the race detector makes of a byte.
const shadow = 3

// peak is the most memory that the process has had, in bytes.
func (p *process) peak(t *testing.T) int {
	t.Helper()
	for line := range strings.Lines(p.proc(t, "status")) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			kilobytes, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			must(t, err)
			return kilobytes << 10
		}
	}
	t.Fatal("the kernel does not tell the agent's memory")
	return 0
}

// grewAtMost bounds what the process has needed since it had the peak before.
func (p *process) grewAtMost(t *testing.T, before, most int) {
	t.Helper()
	most += slack
	if testbed.Race {
		most *= shadow
	}
	if grown := p.peak(t) - before; grown > most {
		t.Errorf("the agent grew by %d MiB", grown>>20)
	}
}

// Memory does not grow with what a step prints to its command channel either.
func TestStepFloodsTheCommandChannel(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("a/10", "head -c 100000000 /dev/zero >&3; echo >&3\n"+tell("set-progress 40")+"yes 'set-progress 41' | head -n 3000 >&3")
	p := n.start(withoutHeartbeats())
	before := p.peak(t)
	r := n.client(t).run("a", "").goesWell("")
	if !strings.HasPrefix(r.story(), "pending 0, running 0, running 40, running 41, running 41, ") || len(r.messages) != 3005 {
		t.Errorf("%d messages came, %.200s…", len(r.messages), r.story())
	}
	p.grewAtMost(t, before, 0)
}

// An action of as many steps as there are files.
func TestManySteps(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	const count = 300
	n.file("steps/10", 0o755, "#!/bin/sh\nprintf .\n")
	n.step("make/10", fmt.Sprintf("mkdir ../actions/a; for i in $(seq %d); do ln -s ../../steps/10 ../actions/a/$i; done", count))
	c.run("make", "").goesWell("")
	r := c.run("a", "").goesWell(strings.Repeat(".", count))
	if len(r.messages) != count+3 {
		t.Errorf("%d messages came", len(r.messages))
	}
}
