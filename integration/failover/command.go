package main

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// command is one switch-leader.
type command struct {
	Node  int
	Leads bool          // the node is the one that is to lead
	Ready bool          // the new leader's own command had ended when this one began
	Took  time.Duration // all of it
	Said  string
	Own   time.Duration // until its node had done its part, and waited for the new leader at most
}

// typing is one command under way.
type typing struct {
	command

	began time.Time
	ended chan error
}

// typeCommand begins one.
func (st *stage) typeCommand(ctx context.Context, node, leader int, ready bool) *typing {
	c := &typing{
		command: command{Node: node, Leads: node == leader, Ready: ready},
		began:   time.Now(), ended: make(chan error, 1),
	}
	go func() {
		var err error
		c.Said, err = st.lab().Node(node).Run(ctx, "switch-leader",
			"--node", strconv.Itoa(leader), "--endpoint", st.cluster.Endpoint(leader))
		c.Took = time.Since(c.began)
		c.ended <- err
	}()
	return c
}

// typeAll types all commands and waits for their ends. One after the other, a person goes
// on to the next node when a command has ended, or when it only waits for the node that is
// to lead, and says so.
func (st *stage) typeAll(ctx context.Context, s *succession, all []*turning) (typed []*typing, err error) {
	var errs []error
	led := false
	for _, t := range all {
		c := st.typeCommand(ctx, t.node.ID, s.To, led)
		typed = append(typed, c)
		if s.AtOnce {
			continue
		}
		if err := c.goOn(ctx, t, led || c.Leads); err != nil {
			errs = append(errs, err)
		}
		led = led || c.Leads
	}
	for _, c := range typed {
		errs = append(errs, <-c.ended)
	}
	return typed, errors.Join(errs...)
}

// commandsOf are those that were typed into nodes, when all of these have turned.
func commandsOf(typed []*typing, all []*turning) []command {
	commands := make([]command, 0, len(typed))
	for i, c := range typed {
		c.Own = all[i].turn.own().Sub(c.began)
		commands = append(commands, c.command)
	}
	return commands
}

// goOn waits until the next command can be typed.
func (c *typing) goOn(ctx context.Context, t *turning, toTheEnd bool) error {
	own := t.ownPart
	if toTheEnd {
		own = nil
	}
	select {
	case err := <-c.ended:
		c.ended <- err
		return nil
	case <-own:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
