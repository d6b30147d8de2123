package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// execLimit starts the no-op eight at a time, as an agent without any protocol
// could, and reads its output to the end: with stdout as a pipe, or with all the
// pipes that a step of the protocol has (input, output, error text, commands).
func (s *stage) execLimit(all bool) func(context.Context, time.Duration) (result, error) {
	return func(ctx context.Context, period time.Duration) (result, error) {
		var started atomic.Int64
		var group sync.WaitGroup
		errs := make([]error, 8)
		end := time.Now().Add(period)
		for i := range errs {
			group.Go(func() {
				for time.Now().Before(end) && errs[i] == nil {
					errs[i] = s.runNoop(ctx, all)
					started.Add(1)
				}
			})
		}
		group.Wait()
		return result{rate: float64(started.Load()) / period.Seconds()}, errors.Join(errs...)
	}
}

// runNoop lets package os/exec do what it can do by itself: it makes a pipe, and
// a goroutine that serves it, for each of the descriptors 0, 1 and 2.
func (s *stage) runNoop(ctx context.Context, all bool) error {
	cmd := exec.CommandContext(ctx, s.dir+"/actions/noop/"+stepName)
	cmd.Stdout = &bytes.Buffer{}
	if !all {
		return cmd.Run()
	}
	cmd.Stdin, cmd.Stderr = strings.NewReader("{}"), &bytes.Buffer{}
	commands, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{theirs}
	err = errors.Join(cmd.Start(), theirs.Close())
	if err == nil {
		_, err = io.Copy(io.Discard, commands)
	}
	return errors.Join(err, cmd.Wait(), commands.Close())
}
