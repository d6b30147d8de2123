package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
		began := time.Now()
		end := began.Add(period)
		for i := range errs {
			group.Go(func() {
				for time.Now().Before(end) && errs[i] == nil {
					errs[i] = s.runNoop(ctx, all)
					started.Add(1)
				}
			})
		}
		group.Wait()
		// As for tasks, what was under way at the end counts, and so does its time.
		return result{rate: float64(started.Load()) / time.Since(began).Seconds()}, errors.Join(errs...)
	}
}

// runNoop runs the no-op with its output as a pipe, or with all pipes.
func (s *stage) runNoop(ctx context.Context, all bool) error {
	path := filepath.Join(s.dir, "actions", "noop", stepName)
	if all {
		_, _, err := execStep(ctx, path)
		return err
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Stdout = &bytes.Buffer{}
	return cmd.Run()
}

// execStep lets package os/exec do what it can do by itself: it makes a pipe, and
// a goroutine that serves it, for each of the descriptors 0, 1 and 2.
func execStep(ctx context.Context, path string) (output, errput string, err error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path) //nolint:gosec // the path is this program's own
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("{}"), &stdout, &stderr
	commands, theirs, err := os.Pipe()
	if err != nil {
		return "", "", err
	}
	cmd.ExtraFiles = []*os.File{theirs}
	err = errors.Join(cmd.Start(), theirs.Close())
	if err == nil {
		_, err = io.Copy(io.Discard, commands)
	}
	err = errors.Join(err, cmd.Wait(), commands.Close())
	return stdout.String(), stderr.String(), err
}
