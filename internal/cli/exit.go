package cli

import (
	"errors"
	"fmt"
	"io"
)

// Exit codes of errors that have none of their own.
const (
	ExitFailure = 1
	ExitUsage   = 2
)

// ExitError is an exit code whose reason has been told.
type ExitError int

// Error says the code.
func (e ExitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// CodedError is an error with an exit code of its own.
type CodedError struct {
	Code int
	Err  error
}

// Error says what happened.
func (e CodedError) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e CodedError) Unwrap() error { return e.Err }

// UsageError is a call that cannot be understood.
type UsageError struct{ Err error }

// Error says what is wrong with the call.
func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with the call.
func (e UsageError) Unwrap() error { return e.Err }

// ExitCode tells on stderr what has not been told yet, and returns the exit code.
func ExitCode(err error, stderr io.Writer) int {
	var told ExitError
	var coded CodedError
	var usage UsageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &told):
		return int(told)
	case errors.As(err, &coded):
		fmt.Fprintf(stderr, "Error: %v\n", err)
		return coded.Code
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "Error: %v\nSee --help for how to call it\n", err)
		return ExitUsage
	default:
		fmt.Fprintf(stderr, "Error: %v\n", err)
		return ExitFailure
	}
}
