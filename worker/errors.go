package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Exit codes that the engine gives by itself (protocol, section 3).
const (
	ExitFailure     = 1  // a step failed without a code of its own
	ExitUndefined   = 8  // no such action, or no steps
	ExitInvalid     = 10 // the input does not satisfy the schema
	ExitBusy        = 11 // the agent is busy and rejected the task
	ExitInterrupted = 12 // the agent died while the task was running
	ExitCancelled   = 13 // cancelled before all steps had run
	ExitStopped     = 14 // the agent was stopped while the task was running
)

// ExitError ends an action with an exit code of its own.
type ExitError struct {
	Code int
	Err  error // what happened, for the task's error; nil: the step has said it itself
}

// Error says what happened.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns what happened.
func (e *ExitError) Unwrap() error { return e.Err }

// Exit makes an error that ends the action with code.
func Exit(code int, err error) error { return &ExitError{Code: code, Err: err} }

// SkippedError says that a step could not be started and does not count.
type SkippedError struct{ Err error }

// Error says why.
func (e *SkippedError) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *SkippedError) Unwrap() error { return e.Err }

// Skip makes an error by which a step is skipped: the action goes on.
func Skip(err error) error { return &SkippedError{Err: err} }

// Violation is one thing that is wrong with a task's input, as user interfaces
// read it.
type Violation struct {
	Field     string `json:"field"`
	Parameter string `json:"parameter"`
	Value     any    `json:"value"`
	Error     string `json:"error"` // a name to be translated, such as network_in_use
}

// InvalidError ends an action with status validation-failed; its violations
// become the task's output.
type InvalidError struct {
	Code       int
	Violations []Violation
	Err        error // for a person, what is wrong and what to do; may be nil
}

// Error names the violations.
func (e *InvalidError) Error() string {
	names := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		names[i] = v.Field + ": " + v.Error
	}
	text := strings.Join(names, ", ")
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what is wrong in words.
func (e *InvalidError) Unwrap() error { return e.Err }

// output is the JSON list of the violations.
func (e *InvalidError) output() ([]byte, error) {
	list, err := json.Marshal(append([]Violation{}, e.Violations...)) // never null
	if err != nil {
		return nil, fmt.Errorf("encode violations: %w", err)
	}
	return list, nil
}

// Violations is what a [SchemaChecker] found wrong with a document.
type Violations struct {
	JSON []byte // list of {"parameter","error","value","field"}
	Text string // the same for a person
}

// isSkip tells whether err means that the step was skipped.
func isSkip(err error) bool {
	var skipped *SkippedError
	return errors.As(err, &skipped)
}
