package worker

import (
	"errors"
	"fmt"
)

// The names under which schema checks stand in the log.
const (
	inputCheck  = "validate-input.json"
	outputCheck = "validate-output.json"
)

// checkInput runs before the first step; it is no step itself and shows no progress.
func (r *run) checkInput(checker SchemaChecker) outcome {
	violations, err := r.check(checker, r.action.Input, r.call.input)
	switch {
	case err != nil:
		r.explain(fmt.Errorf("JSON Schema input validation aborted at step %s: %w", r.action.Input.Name, err))
		return outcome{step: inputCheck, code: ExitFailure, status: Aborted}
	case violations == nil:
		return outcome{status: Completed}
	}
	r.tell("Validation errors: " + violations.Text)
	if _, err := r.call.stdout.Write(violations.JSON); err != nil {
		r.explain(fmt.Errorf("write violations: %w", err))
	}
	return outcome{step: inputCheck, code: ExitInvalid, status: ValidationFailed}
}

// checkOutput runs after the last step.
func (r *run) checkOutput(checker SchemaChecker, output []byte, last outcome) outcome {
	violations, err := r.check(checker, r.action.Output, output)
	switch {
	case err != nil:
		r.explain(fmt.Errorf("JSON Schema output validation aborted at step %s: %w", r.action.Output.Name, err))
	case violations != nil:
		r.tell("Validation errors: " + violations.Text)
	default:
		return last
	}
	return outcome{step: outputCheck, code: ExitFailure, status: Aborted}
}

func (r *run) check(checker SchemaChecker, schema Schema, document []byte) (*Violations, error) {
	if schema.Name == "" {
		return nil, nil //nolint:nilnil // nil violations mean that all is well, see SchemaChecker
	}
	if checker == nil {
		return nil, errors.New("this agent has no schema checker")
	}
	violations, err := checker.Check(schema, document)
	if err != nil {
		return nil, err
	}
	return violations, nil
}
