package worker

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/sirupsen/logrus"
	"github.com/tidwall/gjson"
)

// Call is what a step sees of the task or event it works on: input, output,
// progress, log. It is valid until the step returns.
type Call struct {
	task    *Task
	event   *Event
	input   []byte
	stdout  io.Writer
	stderr  io.Writer
	control control
	log     *logrus.Entry
}

// control is how a step steers the run it is part of.
type control interface {
	setProgress(percent int) error
	setWeight(step string, weight int) error
	failValidation()
	announce(Announcement)
}

// Task returns the task that is being run; false if it is an event's handler that runs.
func (c *Call) Task() (Task, bool) {
	if c.task == nil {
		return Task{}, false
	}
	return *c.task, true
}

// Event returns the event that is being handled; false if it is a task that runs.
func (c *Call) Event() (Event, bool) {
	if c.event == nil {
		return Event{}, false
	}
	return *c.event, true
}

// Input is the task's data (JSON) or the event's payload, which may be anything.
func (c *Call) Input() []byte { return c.input }

// Decode reads the input into v, as encoding/json does.
func (c *Call) Decode(v any) error {
	if err := json.Unmarshal(c.input, v); err != nil {
		return fmt.Errorf("decode input: %w", err)
	}
	return nil
}

// Get returns a part of the input by its path, in gjson's syntax.
func (c *Call) Get(path string) gjson.Result { return gjson.GetBytes(c.input, path) }

// Stdout is the output of the task; for an event's handler, the agent's stderr.
func (c *Call) Stdout() io.Writer { return c.stdout }

// Stderr is the error text of the task and, at the same time, the agent's stderr.
func (c *Call) Stderr() io.Writer { return c.stderr }

// Reply writes v as JSON to the output.
func (c *Call) Reply(v any) error {
	if err := json.NewEncoder(c.stdout).Encode(v); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// Printf writes one line for the person who waits for the task to the error text.
func (c *Call) Printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(c.stderr, format+"\n", args...); err != nil {
		return fmt.Errorf("write error text: %w", err)
	}
	return nil
}

// Progress says how much of this step is done, 0 to 100.
func (c *Call) Progress(percent int) error { return c.control.setProgress(percent) }

// SetWeight changes a step's share of the task's progress; weight is at least 0.
func (c *Call) SetWeight(step string, weight int) error { return c.control.setWeight(step, weight) }

// FailValidation makes the action stop after this step with status
// validation-failed; the exit code is the step's, or 10 if that is 0.
func (c *Call) FailValidation() { c.control.failValidation() }

// Invalid makes the error by which a step rejects a field of the input: exit
// code, the field, its value, the error's name, and words for a person.
func (c *Call) Invalid(code int, field string, value any, name string, why error) error {
	return &InvalidError{Code: code, Err: why, Violations: []Violation{
		{Field: field, Parameter: field, Value: value, Error: name},
	}}
}

// Announce sends an event together with the result of the task, if that is
// completed. The payload is encoded as JSON.
func (c *Call) Announce(channel string, payload any) error {
	encoded, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("encode payload of %s: %w", channel, err)
	}
	c.control.announce(Announcement{Channel: channel, Payload: encoded})
	return nil
}

// Log is the agent's log, with what the step works on.
func (c *Call) Log() *logrus.Entry {
	if c.task != nil {
		return c.log.WithFields(logrus.Fields{"task": c.task.ID, "action": c.task.Action})
	}
	return c.log.WithField("event", printable(c.event.Channel()))
}
