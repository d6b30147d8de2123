package promotenode

import (
	"context"
	"errors"
	"strings"

	"cluster-agent/worker"
)

// verdict is one check in the output of a dry run.
type verdict struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`       // nothing speaks against the promotion
	Verified bool   `json:"verified"` // and nothing was left open
	Error    string `json:"error"`    // the name of the error with which the promotion would be refused; empty if it is OK
	Detail   string `json:"detail"`   // for a person
}

// report makes all checks, in a dry run, and tells what each has found.
func (s steps) report(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil || !in.DryRun {
		return err
	}
	checks := s.checks()
	verdicts := make([]verdict, 0, len(checks))
	for i, check := range checks {
		found, err := check.run(ctx, in)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		verdicts = append(verdicts, decide(check.name, found, err))
		if err := c.Progress((i + 1) * 100 / len(checks)); err != nil {
			return err
		}
	}
	return c.Reply(verdicts)
}

// decide puts what a check has found into the words of the output. One that could not
// be made at all would end the promotion, too.
func decide(name string, found finding, err error) verdict {
	v := verdict{Name: name, OK: err == nil, Verified: err == nil && len(found.open) == 0, Detail: found.detail}
	if err != nil {
		v.Error, v.Detail = "check_failed", err.Error()
		if refused, ok := errors.AsType[*refusal](err); ok {
			v.Error = refused.name
		}
		return v
	}
	for _, open := range found.open {
		v.Detail = strings.TrimPrefix(v.Detail+"; not verified: "+open, "; ")
	}
	return v
}
