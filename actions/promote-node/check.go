package promotenode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"cluster-agent/worker"
)

// check is one thing that has to be so before the leader hands over.
type check struct {
	name string
	run  func(ctx context.Context, in input) (finding, error)
}

// finding is what a check has found when nothing speaks against the promotion.
type finding struct {
	detail string
	open   []string // what could not be verified, and why
}

// refusal is the error of a check that speaks against the promotion.
type refusal struct {
	code  int    // exit code
	field string // of the input
	value any
	name  string // of the error, to be translated
	why   error  // for a person, and what to do
}

// Error says why.
func (r *refusal) Error() string { return r.why.Error() }

// Unwrap returns why.
func (r *refusal) Unwrap() error { return r.why }

func (in input) refuse(code int, name string, why error) error {
	return &refusal{code: code, field: "node_id", value: in.NodeID, name: name, why: why}
}

// checks are all of them, in the order of the steps that run them.
func (s steps) checks() []check {
	return []check{
		{"leader", s.leader},
		{"node", s.node},
		{"endpoint", s.endpoint},
		{"agent", s.agent},
		{"replica", s.replica},
		{"users", s.users},
		{"links", s.links},
	}
}

// step makes a step of a check. In a dry run it does nothing, see [steps.report].
func (s steps) step(run func(context.Context, input) (finding, error)) func(context.Context, *worker.Call) error {
	return func(ctx context.Context, c *worker.Call) error {
		var in input
		if err := c.Decode(&in); err != nil || in.DryRun {
			return err
		}
		found, err := run(ctx, in)
		if refused, ok := errors.AsType[*refusal](err); ok {
			return c.Invalid(refused.code, refused.field, refused.value, refused.name, refused.why)
		}
		for _, open := range found.open {
			c.Log().Warnf("promote node %d: not verified: %s", in.NodeID, open)
			err = errors.Join(err, c.Printf("not verified: %s", open))
		}
		return err
	}
}

// missingInput refuses input without an endpoint, as the schema would: only a dry run
// can do with the one in the node's record.
func missingInput(c *worker.Call, missing string) error {
	return &worker.InvalidError{
		Code: worker.ExitInvalid, Err: fmt.Errorf("%s is required", missing),
		Violations: []worker.Violation{{
			Field: "(root)", Parameter: "(root)", Value: json.RawMessage(c.Input()), Error: "(root)_required",
		}},
	}
}
