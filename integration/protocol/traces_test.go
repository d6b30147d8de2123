package protocol

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cluster-agent/worker/redisq/redistest"
)

// trace is what an agent of this protocol was seen to send for one task.
type trace struct {
	Name     string
	Files    map[string]struct{ Mode, Content string }
	Env      map[string]string
	Task     any
	Commands [][]string
	Result   map[string]string
}

// TestTraces: the agent sends the recorded commands, in their order and with
// their payloads; what it sends between them concerns nobody else.
//
// Rule (section 2): "`vectors/traces.json` beside this page has the exact commands for twenty tasks."
func TestTraces(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/traces.json")
	must(t, err)
	var traces []trace
	must(t, json.Unmarshal(content, &traces))
	if len(traces) < 20 {
		t.Fatalf("only %d traces", len(traces))
	}
	for _, recorded := range traces {
		t.Run(recorded.Name, func(t *testing.T) {
			t.Parallel()
			replay(t, recorded)
		})
	}
}

func replay(t *testing.T, recorded trace) {
	t.Helper()
	n := newNode(t)
	n.file("state/environment", 0o644, "A=1\nB=two words\n")
	for path, file := range recorded.Files {
		var mode uint32
		_, err := fmt.Sscanf(file.Mode, "%o", &mode)
		must(t, err)
		n.file("actions/"+path, os.FileMode(mode), file.Content)
	}
	monitor := n.redis.Monitor(t)
	n.start(recorded.Env)
	n.push(recorded.Task)
	seen := monitor.Until(func(c redistest.Command) bool { return strings.EqualFold(c.Words[0], "exec") })
	compare(t, recorded.Commands, about(seen))
	for part, want := range recorded.Result {
		if got := n.get("t", part); !same(part, want, got) {
			t.Errorf("%s is %q, want %q", part, got, want)
		}
	}
}

// about leaves out what is no other's concern: connections, fetching, the list
// of tasks in progress.
func about(seen []redistest.Command) [][]string {
	var all [][]string
	for _, command := range seen {
		words := command.Words
		words[0] = strings.ToLower(words[0])
		whose := words[min(1, len(words)-1)]
		concerns := strings.HasPrefix(whose, "task/") || strings.HasPrefix(whose, "progress/") || strings.HasSuffix(whose, "/environment")
		if concerns || words[0] == "multi" || words[0] == "exec" {
			all = append(all, words)
		}
	}
	return all
}

// compare wants the recorded commands in order, and no others but heartbeats,
// of which a slow machine has more.
func compare(t *testing.T, want, got [][]string) {
	t.Helper()
	at := 0
	for _, command := range got {
		switch {
		case at < len(want) && sameCommand(want[at], command):
			at++
		case isHeartbeat(command):
		default:
			t.Fatalf("got %q\nwant %q\nafter %q", command, want[min(at, len(want)-1)], want[:at])
		}
	}
	if at < len(want) {
		t.Fatalf("never came: %q", want[at:])
	}
}

func isHeartbeat(command []string) bool {
	return command[0] == "expire" || (command[0] == "publish" && strings.Contains(command[2], `"running"`))
}

func sameCommand(want, got []string) bool {
	if len(want) != len(got) || len(want) < 3 || want[0] != "set" {
		return slices.Equal(want, got)
	}
	part := want[1][strings.LastIndexByte(want[1], '/')+1:]
	return want[1] == got[1] && slices.Equal(want[3:], got[3:]) && same(part, want[2], got[2])
}

// same compares a part of a task's record as far as it is contract.
func same(part, want, got string) bool {
	switch {
	case want == got:
		return true
	case part == "error":
		return sameError(want, got)
	case part == "exit_code":
		return false
	}
	var wanted, have any
	if json.Unmarshal([]byte(want), &wanted) != nil || json.Unmarshal([]byte(got), &have) != nil {
		return false
	}
	return sameList(wanted, have) || reflect.DeepEqual(wanted, have)
}

// sameList compares lists, of names or of violations, whose order is no contract.
func sameList(want, got any) bool {
	wanted, ok := want.([]any)
	have, also := got.([]any)
	if !ok || !also || len(wanted) != len(have) {
		return false
	}
	for _, item := range wanted {
		at := slices.IndexFunc(have, func(other any) bool { return reflect.DeepEqual(item, other) })
		if at < 0 {
			return false
		}
		have = slices.Delete(have, at, at+1)
	}
	return true
}

// sameError compares error texts: how a violation or a fault of a schema is
// worded is no contract, nor whether a step that was skipped has a line.
func sameError(want, got string) bool {
	for _, beginning := range []string{"Validation errors: ", "JSON Schema "} {
		if strings.HasPrefix(want, beginning) {
			return strings.HasPrefix(got, beginning)
		}
	}
	return withoutSkipped(want) == withoutSkipped(got)
}

func withoutSkipped(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "Action a skipped step ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
