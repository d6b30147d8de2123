package protocol

import (
	"strconv"
	"strings"
	"testing"
)

// tell is a line of a step's script that sends a command.
func tell(command string) string { return "printf '%s\\n' '" + command + "' >&3\n" }

// Rule (section 3): "**Commands** on the channel, one a line:"
//
// A line may come in pieces, and many at once; a field in quotes does not span two.
func TestCommandLines(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for name, script := range map[string]string{
		"pieces":   "printf 'set-pro' >&3; sleep 0.05; printf 'gress 4' >&3; sleep 0.05; printf '0\n' >&3",
		"together": "printf 'set-weight 10 7\nset-weight 20 7\nset-progress 40\n' >&3",
		"no-end":   "printf 'set-progress 40' >&3",
		"quotes":   "printf 'set-weight \"20\\n20\" 9\\nset-progress 40\\n' >&3",
		"in-turns": "sh -c 'echo set-weight 20 1 >&3' & wait; echo set-progress 40 >&3",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n.step(name+"/10", script)
			n.step(name+"/20", "")
			n.client(t).run(name, "").goesWell("").tells("pending 0, running 0, running 20, running 50, running 100, completed 100")
		})
	}
}

// Rule (section 3): "fields separated by one space, a field may be wrapped
// in double quotes (CSV rules)."
func TestCommandFields(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for name, c := range map[string]struct{ script, step string }{
		"plain":               {tell("set-weight 20 3"), "20"},
		"every field quoted":  {tell(`"set-weight" "20" "3"`), "20"},
		"space in quotes":     {tell(`set-weight "20 two" 3`), "20 two"},
		"quote in quotes":     {tell(`set-weight "20 ""two""" 3`), `20 "two"`},
		"comma is no limit":   {tell("set-weight 20,two 3"), "20,two"},
		"other alphabets":     {tell("set-weight 20é😀 3"), "20é😀"},
		"line end of DOS":     {"printf 'set-weight 20 3\\r\\n' >&3", "20"},
		"from a child":        {"sh -c '" + `echo set-weight 20 3 >&$AGENT_COMFD` + "'", "20"},
		"by its number alone": {`echo set-weight 20 3 >/proc/self/fd/$AGENT_COMFD`, "20"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			action := strings.ReplaceAll(name, " ", "-")
			n.step(action+"/10", c.script)
			n.step(action+"/"+c.step, "")
			n.client(t).run(action, "").goesWell("").tells("pending 0, running 0, running 25, running 100, completed 100")
		})
	}
}

// Rule (section 3): "A bad command is logged and ignored; it never
// ends the step, the agent or the reading of later commands."
func TestBadCommand(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.start(nil)
	for number, bad := range []string{
		"set-progress", "set-progress ", "set-progress  50", " set-progress 50", "set-progress 50 60",
		"set-progress x", "set-progress 50%", "set-progress 0.5", "set-progress 0x10", "set-progress 99999999999999999999",
		`set-progress ""`, `set-progress "50`, `set-progress 5"0`, `set-progress "50" "`, `"`, `""`, " ", "  ",
		"set-weight", "set-weight 10", "set-weight 10 x", "set-weight 10 1.5", "set-weight 10 99999999999999999999", "set-weight  1",
		"set-weight 10 1 1", "set-weight nobody 1",
		"set-status", "set-status validation-failed now", "set-status Validation-Failed", `set-status "`,
		"SET-PROGRESS 50", "set_progress 50", "set-progress\t50", "boo", "boo boo boo", "set", "# set-progress 50", "{}",
		"\x01\x02\x7f", "\xff\xfe", "à", "set-progress \xc2\xa050",
	} {
		t.Run(bad, func(t *testing.T) {
			t.Parallel()
			action := "a" + strconv.Itoa(number)
			n.step(action+"/10", tell(bad)+tell("set-progress 40"))
			n.client(t).run(action, "").goesWell("").errs("").tells("pending 0, running 0, running 40, running 100, completed 100")
			p.warns(t, "actions/"+action+"/10")
		})
	}
}

// Rule (section 3): "A bad command is logged and ignored; it never
// ends the step, the agent or the reading of later commands."
//
// However much of it there is.
func TestBadCommandsInBulk(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.start(nil)
	for action, script := range map[string]string{
		"a-million-bytes-without-a-newline": `head -c 1000000 /dev/zero | tr '\0' x >&3; echo >&3`,
		"binary-rubbish":                    `head -c 100000 ` + n.dir + `/rubbish >&3; echo >&3`,
		"a-million-zeros":                   `head -c 1000000 /dev/zero >&3; echo >&3`,
		"many":                              `yes boo | head -n 5000 >&3`,
		"quotes":                            `yes '"' | head -c 10000 >&3; echo >&3`,
	} {
		n.file("rubbish", 0o644, rubbish(100_000))
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			n.step(action+"/10", script+"\n"+tell("set-progress 40")+"echo fine")
			n.client(t).run(action, "").goesWell("fine\n").errs("").tells("pending 0, running 0, running 40, running 100, completed 100")
			p.warns(t, "actions/"+action+"/10")
		})
	}
}

// rubbish holds every byte, in many orders.
func rubbish(size int) string {
	content := make([]byte, size)
	state := uint32(1)
	for i := range content {
		state = state*1664525 + 1013904223
		content[i] = byte(state >> 24)
	}
	return string(content)
}

// Rule (section 3): "A bad command is logged and ignored"
//
// Empty lines are no commands.
func TestEmptyLinesAreNoCommands(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", "printf '\\n\\nset-progress 40\\n\\n' >&3")
	c.run("a", "").goesWell("").tells("pending 0, running 0, running 40, running 100, completed 100")
}

// Rule (section 3): "set-status validation-failed         the only status that can be set"
func TestSetStatus(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for _, status := range []string{"pending", "running", "completed", "aborted", "validation-failed-not", "", "0"} {
		t.Run("not "+status, func(t *testing.T) {
			t.Parallel()
			n.step("not-"+status+"/10", tell("set-status "+status)+"echo 10")
			n.step("not-"+status+"/20", "echo 20")
			n.client(t).run("not-"+status, "").goesWell("10\n20\n").tells("pending 0, running 0, running 50, running 100, completed 100")
		})
	}
	n.step("failed/10", tell("set-status validation-failed")+"echo '[]'")
	n.client(t).run("failed", "").ends("validation-failed", "10").prints("[]\n")
}

// Rule (section 3): "set-progress N                       0…100, progress of the current step"
func TestSetProgress(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for number, story := range map[string]string{
		"0":    "running 0, running 0, running 50, running 100",
		"1":    "running 0, running 0, running 50, running 100",
		"50":   "running 0, running 25, running 50, running 100",
		"99":   "running 0, running 49, running 50, running 100",
		"100":  "running 0, running 50, running 50, running 100",
		"-1":   "running 0, running 50, running 100",
		"101":  "running 0, running 50, running 100",
		"1000": "running 0, running 50, running 100",
	} {
		t.Run(number, func(t *testing.T) {
			t.Parallel()
			n.step("p"+number+"/10", tell("set-progress "+number))
			n.step("p"+number+"/20", "")
			n.client(t).run("p"+number, "").goesWell("").tells("pending 0, " + story + ", completed 100")
		})
	}
}

// Rule (section 3): "set-weight STEP N                    N ≥ 0; default 1"
func TestSetWeight(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for name, c := range map[string]struct{ commands, story string }{
		"default":        {"", "running 33, running 66, running 100"},
		"own":            {tell("set-weight 10 2"), "running 50, running 75, running 100"},
		"of a later one": {tell("set-weight 30 2"), "running 25, running 50, running 100"},
		"0":              {tell("set-weight 20 0"), "running 50, running 50, running 100"},
		"large":          {tell("set-weight 30 1000000"), "running 0, running 0, running 100"},
		"set twice":      {tell("set-weight 30 9") + tell("set-weight 30 2"), "running 25, running 50, running 100"},
		"negative":       {tell("set-weight 30 -1"), "running 33, running 66, running 100"},
		"unknown step":   {tell("set-weight 40 5"), "running 33, running 66, running 100"},
		"schema check":   {tell("set-weight validate-input.json 5"), "running 33, running 66, running 100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			action := strings.ReplaceAll(name, " ", "-")
			n.file("actions/"+action+"/validate-input.json", 0o644, "{}")
			n.step(action+"/10", c.commands)
			n.step(action+"/20", "")
			n.step(action+"/30", "")
			n.client(t).run(action, "").goesWell("").tells("pending 0, running 0, " + c.story + ", completed 100")
		})
	}
}
