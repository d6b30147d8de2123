package protocol

import (
	"strings"
	"testing"

	"cluster-agent/worker/redisq/redistest"
)

// Rule (section 3): "**Progress** is the integer part of: (sum of weights of the finished steps × 100 +
// current step's progress × its weight) × 100 / (sum of all weights × 100); 0 when all weights
// are 0."
func TestProgressFormula(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for name, c := range map[string]struct {
		steps []string
		story string
	}{
		"one step":        {[]string{tell("set-progress 33")}, "running 33, running 100, completed 100"},
		"integer part":    {[]string{tell("set-progress 50"), tell("set-progress 99"), tell("set-progress 1")}, "running 16, running 33, running 66, running 66, running 67, running 100, completed 100"},
		"weights":         {[]string{tell("set-weight 2 3") + tell("set-weight 3 6"), tell("set-progress 50"), tell("set-progress 50")}, "running 10, running 25, running 40, running 70, running 100, completed 100"},
		"finished weight": {[]string{"", tell("set-weight 1 3") + tell("set-progress 0")}, "running 50, running 75, running 100, completed 100"},
		"current weight":  {[]string{tell("set-progress 50") + tell("set-weight 1 3"), ""}, "running 25, running 75, running 100, completed 100"},
		"all weights 0":   {[]string{tell("set-weight 1 0") + tell("set-weight 2 0") + tell("set-progress 50"), tell("set-progress 100")}, "running 0, running 0, running 0, running 0, completed 0"},
		"back again":      {[]string{tell("set-progress 50") + tell("set-progress 20")}, "running 50, running 20, running 100, completed 100"},
		"starts at 0":     {[]string{tell("set-progress 100"), tell("set-weight 2 1") + tell("set-progress 0")}, "running 50, running 50, running 50, running 100, completed 100"},
		"last weighs 0":   {[]string{tell("set-weight 2 0"), ""}, "running 100, running 100, completed 100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n.runSteps(t, c.steps).goesWell("").tells("pending 0, running 0, " + c.story)
		})
	}
}

// runSteps runs scripts as the steps 1, 2, 3… of an action of the test's own.
func (n *node) runSteps(t *testing.T, scripts []string) report {
	t.Helper()
	action := strings.ReplaceAll(t.Name(), "/", "-")
	for i, script := range scripts {
		n.step(action+"/"+string(rune('1'+i)), script)
	}
	return n.client(t).run(action, "")
}

// Rule (section 3): "It is published at every set-progress and when a step ends well."
func TestProgressIsPublished(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	same := tell("set-progress 50")
	full := tell("set-progress 100")
	for name, c := range map[string]struct {
		steps []string
		story string
	}{
		"the same again":          {[]string{same + same + same}, "running 50, running 50, running 50, running 100, completed 100"},
		"not at set-weight":       {[]string{tell("set-weight 1 5") + tell("set-weight 2 5"), ""}, "running 50, running 100, completed 100"},
		"nothing at a failure":    {[]string{"", same + "exit 5"}, "running 50, running 75, aborted 75"},
		"full in the last step":   {[]string{full}, "running 100, running 100, completed 100"},
		"full and a failure":      {[]string{full + "exit 5"}, "running 100, aborted 100"},
		"full again and again":    {[]string{full + full + full}, "running 100, running 100, running 100, running 100, completed 100"},
		"full and less":           {[]string{full + same}, "running 100, running 50, running 100, completed 100"},
		"steps without weight":    {[]string{tell("set-weight 2 0") + tell("set-weight 3 0"), "", ""}, "running 100, running 100, running 100, completed 100"},
		"weight given back later": {[]string{tell("set-weight 2 0"), tell("set-weight 2 1") + same}, "running 100, running 75, running 100, completed 100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := n.runSteps(t, c.steps).tells("pending 0, running 0, " + c.story)
			if r.code != "0" && r.code != "5" {
				t.Errorf("exit code is %s", r.code)
			}
		})
	}
}

// Rule (section 3): "It is published at every set-progress"
//
// At once, not when the step ends.
func TestProgressIsPublishedAtOnce(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", tell("set-progress 30")+"until test -e ../1; do sleep 0.01; done;"+tell("set-progress 60")+"until test -e ../2; do sleep 0.01; done")
	task := c.begin(map[string]any{"id": "1", "action": "a"}).until(`"progress":30}`)
	n.file("1", 0o644, "")
	task.until(`"progress":60}`)
	n.file("2", 0o644, "")
	task.end().tells("pending 0, running 0, running 30, running 60, running 100, completed 100")
}

// Rule (section 3): "**Status**: `pending` → `running` → `completed`, `aborted` or `validation-failed`."
func TestStatus(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for name, c := range map[string]struct{ script, story, code string }{
		"completed":         {"", "pending 0, running 0, running 100, completed 100", "0"},
		"aborted":           {"exit 1", "pending 0, running 0, aborted 0", "1"},
		"validation-failed": {tell("set-status validation-failed"), "pending 0, running 0, validation-failed 0", "10"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n.step(name+"/10", c.script)
			n.client(t).run(name, "").ends(name, c.code).tells(c.story)
		})
	}
}

// Rule (section 3): "`running` is published when the first real step starts (a schema check is none)."
func TestStatusRunning(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.file("actions/a/validate-input.json", 0o644, `{"type":"integer"}`)
	n.step("a/10", "until test -e ../go-on; do sleep 0.01; done")
	n.step("a/20", "")
	c.run("a", `"x"`).tells("pending 0, validation-failed 0")
	task := c.begin(map[string]any{"id": "1", "action": "a", "data": 1}).until("running")
	n.file("go-on", 0o644, "")
	task.end().tells("pending 0, running 0, running 50, running 100, completed 100")
}

// Rule (section 3): "`running` is published when the first real step starts (a schema check is none)."
//
// Before it runs, on the same connection as all else: nobody sees a step's
// progress before it is running.
func TestStatusRunningComesFirst(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	monitor := n.redis.Monitor(t)
	n.step("a/10", tell("set-progress 50"))
	c.run("a", "")
	var published []string
	monitor.Until(func(command redistest.Command) bool {
		words := command.Words
		if strings.EqualFold(words[0], "publish") && strings.HasPrefix(words[1], "progress/") {
			published = append(published, words[2])
		}
		return strings.EqualFold(words[0], "exec")
	})
	want := []string{
		`{"status":"pending","progress":0}`, `{"status":"running","progress":0}`, `{"status":"running","progress":50}`,
		`{"status":"running","progress":100}`, `{"status":"completed","progress":100}`,
	}
	if strings.Join(published, "\n") != strings.Join(want, "\n") {
		t.Errorf("published %q", published)
	}
}

// Rule (section 3): "With `validation-failed` set, the action stops after that step; the code is the step's,
// or 10 if that was 0."
func TestValidationFailed(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	const failed = "set-status validation-failed"
	for name, c := range map[string]struct {
		steps              []string
		story, code, print string
	}{
		"first step, 0":    {[]string{tell(failed) + "echo 1", "echo 2"}, "running 0, validation-failed 0", "10", "1\n"},
		"first step, 3":    {[]string{tell(failed) + "echo 1; exit 3", "echo 2"}, "running 0, validation-failed 0", "3", "1\n"},
		"later step, 0":    {[]string{"echo 1", tell(failed) + "echo 2", "echo 3"}, "running 0, running 33, validation-failed 33", "10", "1\n2\n"},
		"last step, 255":   {[]string{"echo 1", tell(failed) + "exit 255"}, "running 0, running 50, validation-failed 50", "255", "1\n"},
		"by a signal":      {[]string{tell(failed) + "kill -9 $$"}, "running 0, validation-failed 0", "137", ""},
		"10 of its own":    {[]string{tell(failed) + "exit 10"}, "running 0, validation-failed 0", "10", ""},
		"goes on a while":  {[]string{tell(failed) + "echo 1;" + tell("set-progress 50") + "echo more"}, "running 0, running 50, validation-failed 50", "10", "1\nmore\n"},
		"said twice":       {[]string{tell(failed) + tell(failed)}, "running 0, validation-failed 0", "10", ""},
		"only then a word": {[]string{tell("set-progress 10") + tell(failed) + tell("set-status completed")}, "running 0, running 10, validation-failed 10", "10", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n.runSteps(t, c.steps).ends("validation-failed", c.code).prints(c.print).tells("pending 0, " + c.story)
		})
	}
}

// Rule (section 3): "With `validation-failed` set, the action stops after that step"
//
// The output schema is for what completes; it is not asked.
func TestValidationFailedSkipsTheOutputSchema(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.file("actions/a/validate-output.json", 0o644, `{"type":"integer"}`)
	n.step("a/10", tell("set-status validation-failed")+"echo '[]'")
	n.step("b/10", "echo no JSON; exit 4")
	n.file("actions/b/validate-output.json", 0o644, `{"type":"integer"}`)
	c.run("a", "").ends("validation-failed", "10").prints("[]\n").errs("")
	c.run("b", "").ends("aborted", "4").prints("no JSON\n").errs("")
}

// Rule (section 3): "counted as done."
//
// A step that was skipped has its weight; one behind a failure has none.
func TestProgressOfSkippedSteps(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", tell("set-weight 20 7"))
	n.file("actions/a/20", 0o644, "")
	n.step("a/30", tell("set-progress 50"))
	n.file("actions/a/40", 0o755, "no #!")
	c.run("a", "").goesWell("").tells("pending 0, running 0, running 10, running 80, running 85, running 90, running 100, completed 100")
	n.step("a/30", tell("set-progress 50")+"exit 2")
	c.run("a", "").ends("aborted", "2").tells("pending 0, running 0, running 10, running 80, running 85, aborted 85")
}

// A skipped step is the last word on nothing: an action of skipped steps alone goes well.
func TestOnlySkippedSteps(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.file("actions/a/10", 0o644, "")
	n.file("actions/a/20", 0o644, "")
	c.run("a", "").goesWell("").tells("pending 0, running 0, running 50, running 100, completed 100")
}
