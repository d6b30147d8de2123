package script

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"cluster-agent/worker"
)

// environ is the environment of a step: the agent's own, the file's variables,
// and what the step is called for; a later one of the same name wins.
func (r *Runner) environ(call *worker.Call) ([]string, error) {
	content, err := readEnvironment(r.Environment)
	if err != nil {
		return nil, err
	}
	own := calledFor(call)
	for _, v := range own {
		if strings.ContainsRune(v.Value, 0) {
			return nil, worker.Exit(exitExec, fmt.Errorf("start step: %s holds a zero byte, which no environment can", v.Name))
		}
	}
	return r.base.with(r.Environ, content).and(own), nil
}

// calledFor are the variables that differ from one step's run to the next.
func calledFor(call *worker.Call) []Variable {
	if event, ok := call.Event(); ok {
		return []Variable{
			{"AGENT_COMFD", "2"},
			{"AGENT_EVENT_NAME", event.Name},
			{"AGENT_EVENT_SOURCE", event.Source},
		}
	}
	task, _ := call.Task()
	return []Variable{
		{"AGENT_COMFD", "3"},
		{"AGENT_TASK_ID", task.ID},
		{"AGENT_TASK_ACTION", task.Action},
		{"AGENT_TASK_USER", task.User},
	}
}

// baseEnviron is what all steps have in common: it is put together anew only
// when the file's content is another than for the step before.
type baseEnviron struct {
	mu      sync.Mutex
	content []byte
	made    *environ // nil: not yet; never changed, since it is shared
}

func (b *baseEnviron) with(agents []string, content []byte) *environ {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.made == nil || !bytes.Equal(b.content, content) {
		b.made, b.content = newEnviron(agents, parseEnvironment(string(content))), content
	}
	return b.made
}

// environ is an environment in which each name stands once: a process that
// looks a name up would find the first, where the last is meant.
type environ struct {
	lines []string
	at    map[string]int // where the line of a name is
}

func newEnviron(lines []string, variables []Variable) *environ {
	e := &environ{at: make(map[string]int, len(lines)+len(variables))}
	for _, line := range lines {
		if name, _, found := strings.Cut(line, "="); found && name != "" {
			e.set(name, line)
		} else if line != "" {
			e.lines = append(e.lines, line) // no variable, but the agent was given it
		}
	}
	for _, v := range variables {
		e.set(v.Name, v.Name+"="+v.Value)
	}
	return e
}

func (e *environ) set(name, line string) {
	if at, found := e.at[name]; found {
		e.lines[at] = line
		return
	}
	e.at[name] = len(e.lines)
	e.lines = append(e.lines, line)
}

// and returns the lines with some more variables, the names of which differ.
func (e *environ) and(more []Variable) []string {
	lines := append(make([]string, 0, len(e.lines)+len(more)), e.lines...)
	for _, v := range more {
		line := v.Name + "=" + v.Value
		if at, found := e.at[v.Name]; found {
			lines[at] = line
		} else {
			lines = append(lines, line)
		}
	}
	return lines
}
