package protocol

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Rule (section 3): "An executable step runs in the agent's working directory"
func TestStepWorkingDirectory(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", "pwd -P")
	state, err := filepath.EvalSymlinks(n.path("state"))
	must(t, err)
	c.run("a", "").goesWell(state + "\n")
}

// Rule (section 3): "in its own process group"
func TestStepProcessGroup(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, name := range []string{"10", "20"} {
		n.step("a/"+name, "read -r pid name state parent group rest </proc/$$/stat; test $group = $$ || echo group $group of $pid\n"+
			"sh -c 'read -r pid name state parent group rest </proc/$$/stat; echo $group' >../child; test $(cat ../child) = $$ || echo left")
	}
	n.start(nil)
	n.client(t).run("a", "").goesWell("")
}

// Rule (section 3): "stdin: `data` as JSON (`null` if absent)"
func TestStepInput(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	n.step("cat/10", "cat")
	for name, c := range map[string]struct{ data, want string }{
		"absent":              {"", `null`},
		"null":                {`null`, `null`},
		"object":              {`{"a":[1,{"b":null}],"c":true}`, `{"a":[1,{"b":null}],"c":true}`},
		"text":                {`"à\n\u0000\"<&>"`, `"à\n\u0000\"<&>"`},
		"empty text":          {`""`, `""`},
		"list":                {`[ ]`, `[]`},
		"false":               {`false`, `false`},
		"large integer":       {`{"n":12345678901234567890123}`, `{"n":12345678901234567890123}`},
		"beyond float64":      {`[9007199254740993,1e400,-0.1234567890123456789012]`, `[9007199254740993,1e400,-0.1234567890123456789012]`},
		"in another alphabet": {`{"ключ":"значение","😀":"\ud83d\ude00"}`, `{"ключ":"значение","😀":"😀"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := n.client(t).run("cat", c.data).ends("completed", "0")
			if !equalJSON(t, r.output, c.want) {
				t.Errorf("stdin was %s, want %s", r.output, c.want)
			}
		})
	}
}

// equalJSON compares documents; numbers have to be written the same.
func equalJSON(t *testing.T, one, other string) bool {
	t.Helper()
	return plainJSON(t, one) == plainJSON(t, other)
}

// plainJSON writes a document in one way, with its numbers as they are.
func plainJSON(t *testing.T, document string) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(document))
	decoder.UseNumber()
	var value any
	must(t, decoder.Decode(&value))
	text, err := json.Marshal(value)
	must(t, err)
	return string(text)
}

// Rule (section 3): "stdin: `data` as JSON (`null` if absent)"
//
// Each step gets all of it, has the end of it, and need not read it.
func TestStepInputOfEachStep(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", "wc -c")
	n.step("a/20", "exec 0<&-; echo closed")
	n.step("a/30", "head -c 4")
	n.step("a/40", ":")
	n.step("a/50", "wc -c; test $(head -c 1 | wc -c) = 0 && echo end")
	const size = 3 << 20
	r := c.run("a", `"`+strings.Repeat("x", size-2)+`"`)
	r.goesWell(fmt.Sprintf("%d\nclosed\n\"xxx%d\nend\n", size, size)).errs("")
}

// Rule (section 3): "stdout → output, stderr → error"
func TestStepOutput(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", `printf 'one\0two\377\n'; printf 'err one' >&2`)
	n.step("a/20", `printf 'no end of line'; printf 'err two\n' >&2`)
	c.run("a", "").goesWell("one\x00two\xff\nno end of line").errs("err oneerr two\n")
}

// Rule (section 3): "and at the same time to the agent's own stderr"
func TestStepErrorsAreShownAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("a/10", "echo 'I wait' >&2; until test -e ../go-on; do sleep 0.01; done; echo output")
	p := n.start(nil)
	task := n.client(t).begin(map[string]any{"id": "1", "action": "a"})
	p.shows(t, "I wait\n")
	n.file("go-on", 0o644, "")
	task.end().goesWell("output\n").errs("I wait\n")
	if strings.Contains(p.stderr.String(), "output") {
		t.Error("stdout of a step is on the agent's stderr")
	}
}

// Rule (section 3): "environment: the agent's own, then the lines `NAME=value` of the file `environment` in
// the working directory, read again before every step, then `AGENT_COMFD=3`,
// `AGENT_TASK_ID`, `AGENT_TASK_ACTION`, `AGENT_TASK_USER`;"
func TestStepEnvironment(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.file("state/environment", 0o644, "FILE=file\nBOTH=file\nAGENT_COMFD=9\nAGENT_TASK_ID=file\nAGENT_TASK_ACTION=file\nAGENT_TASK_USER=file\n")
	n.step("a/10", `echo "$OWN $FILE $BOTH $AGENT_COMFD $AGENT_TASK_ID $AGENT_TASK_ACTION ${AGENT_TASK_USER-unset}"`)
	n.start(map[string]string{"OWN": "own", "BOTH": "own"})
	n.client(t).order(map[string]any{"id": "1", "action": "a", "user": "joe"}).goesWell("own file file 3 1 a joe\n")
	n.client(t).order(map[string]any{"id": "2", "action": "a"}).goesWell("own file file 3 2 a \n")
	must(t, os.Remove(n.path("state/environment")))
	n.client(t).order(map[string]any{"id": "3", "action": "a"}).goesWell("own  own 3 3 a \n")
}

// Rule (section 3): "the lines `NAME=value` of the file `environment` in
// the working directory, read again before every step"
func TestStepEnvironmentIsReadAgain(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", `echo "10:$MORE"; echo MORE=of it >>environment`)
	n.step("a/20", `echo "20:$MORE"; echo MORE=else >environment`)
	n.step("a/30", `echo "30:$MORE"; rm environment`)
	n.step("a/40", `echo "40:$MORE"`)
	c.run("a", "").goesWell("10:\n20:of it\n30:else\n40:\n")
}

// Rule (section 3): "the lines `NAME=value` of the file `environment`"
//
// There is no quoting and no comment behind a value; what is no such line does not count.
func TestStepEnvironmentLines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"as it stands":      {`V="a b" 'c' $HOME \n # d`, `"a b" 'c' $HOME \n # d`},
		"equals sign":       {"V=a=b", "a=b"},
		"empty value":       {"V=", ""},
		"the last one wins": {"V=1\nV=2\n", "2"},
		"no end of line":    {"X=1\nV=2", "2"},
		"blank lines":       {"\n\nV=2\n\n", "2"},
		"comments":          {"# V=1\n#V=1\nV=2\n# V=3\n#V=3\n", "2"},
		"no lines of ours":  {"V\nexport V=1\n=1\n V=1\nV =1\nV=2\njunk", "2"},
		"line ends of DOS":  {"V=2\r\nX=1\r\n", "2"},
		"spaces in a value": {"V= 2  ", " 2  "},
		"any character":     {"V=à😀\tb", "à😀\tb"},
		"rubbish":           {"\x00\xff=\x00\nV=2\n\x00", "2"},
		"long value":        {"V=" + strings.Repeat("x", 100_000), strings.Repeat("x", 100_000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, task := started(t)
			n.file("state/environment", 0o644, c.file)
			n.step("a/10", `printf '<%s>' "${V-unset}"`)
			task.run("a", "").goesWell("<" + c.want + ">")
		})
	}
}

// Rule (section 3): "file descriptor 3: the command channel."
//
// Nothing else of the agent's is open in a step.
func TestStepDescriptors(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", `echo set-progress 50 >&3; exec 3>&-; ls /proc/self/fd`)
	r := c.run("a", "").tells("pending 0, running 0, running 50, running 100, completed 100")
	open := strings.Fields(r.output)
	open = slices.DeleteFunc(open, func(number string) bool { return inherited(t, number) })
	slices.Sort(open)
	// ls has 0, 1, 2, and the folder it reads in the place of the channel
	if !slices.Equal(open, []string{"0", "1", "2", "3"}) {
		t.Errorf("open in the step: %q", open)
	}
}

// inherited tells whether whoever started this test left a descriptor open, for
// all that run below it.
func inherited(t *testing.T, number string) bool {
	t.Helper()
	descriptor, err := strconv.Atoi(number)
	must(t, err)
	flags, err := unix.FcntlInt(uintptr(descriptor), unix.F_GETFD, 0)
	return descriptor > 3 && err == nil && flags&unix.FD_CLOEXEC == 0
}

// Signals that the agent ignores or blocks are not ignored or blocked in a step,
// but those that whoever started the agent has it ignore, as nohup does.
func TestStepSignals(t *testing.T) {
	t.Parallel()
	status, err := os.ReadFile("/proc/self/status")
	must(t, err)
	_, after, _ := strings.Cut(string(status), "SigIgn:\t")
	ignored, _, _ := strings.Cut(after, "\n")
	n, c := started(t)
	n.step("a/10", `grep -E '^Sig(Ign|Blk):' /proc/$$/status | tr -d '\t'`)
	c.run("a", "").goesWell("SigBlk:0000000000000000\nSigIgn:" + ignored + "\n")
}
