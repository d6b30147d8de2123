package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) } //nolint:forbidigo // a program of its own

// options are the flags.
type options struct {
	config

	minutes  int
	only     string
	schedule bool
	verbose  bool
	keep     bool
	again    string // the flags that repeat the schedule
}

// run is the program; it returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	const bad, usage = 1, 2
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "chaos:", err)
		return usage
	}
	redis.SetLogger(quiet{})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	good, err := o.playAll(ctx, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "chaos:", err)
	}
	if err != nil || !good {
		return bad
	}
	return 0
}

// quiet drops what go-redis prints by itself: connections break all the time.
type quiet struct{}

// Printf implements the logger of go-redis.
func (quiet) Printf(context.Context, string, ...any) {}

// runs are those that were asked for.
func (o options) runs() []namedRun {
	// The others need fewer: their one fault is always the same.
	const share = 5
	all := []namedRun{
		{"first run: Redis keeps what it acknowledged", durable, 1},
		{"second run: Redis comes back empty", emptied, share},
		{"third run: Redis comes back as it was some moments before", rolled, share},
	}
	var asked []namedRun
	for _, r := range all {
		if o.only == "" || o.only == string(r.memory) {
			asked = append(asked, r)
		}
	}
	return asked
}

// namedRun is a run with a share of the tasks and faults.
type namedRun struct {
	title  string
	memory memoryOf
	share  int
}

// of is the run's configuration.
func (r namedRun) of(c config) config {
	c.memory = r.memory
	c.tasks, c.faults = max(1, c.tasks/r.share), max(1, c.faults/r.share)
	c.dir = filepath.Join(c.dir, string(r.memory))
	return c
}

// playAll plays the runs, or prints their schedules; false if something was wrong.
func (o options) playAll(ctx context.Context, stdout, stderr io.Writer) (bool, error) {
	if o.schedule {
		for _, r := range o.runs() {
			fmt.Fprintf(stdout, "%s, seed %d\n", r.title, o.seed)
			for i, f := range r.of(o.config).plan() {
				fmt.Fprintf(stdout, "%4d  %s\n", i+1, f)
			}
		}
		return true, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(o.minutes)*time.Minute, fmt.Errorf("%d minutes are over (-minutes)", o.minutes))
	defer cancel()
	dir, err := os.MkdirTemp(o.dir, "chaos-")
	if err != nil {
		return false, fmt.Errorf("make a folder: %w", err)
	}
	fmt.Fprintf(stdout, "seed %d; again: make chaos ARGS='%s'\n\n", o.seed, o.again)
	outcomes, err := o.playEach(ctx, dir, stdout, stderr)
	if err != nil {
		return false, fmt.Errorf("%w (see %s)", err, dir)
	}
	good := total(stdout, outcomes, len(o.runs()))
	if o.keep || !good {
		fmt.Fprintf(stdout, "Logs, data of Redis and runs of steps: %s\n", dir)
		return good, nil
	}
	return true, os.RemoveAll(dir)
}

// playEach plays and reports each run.
func (o options) playEach(ctx context.Context, dir string, stdout, stderr io.Writer) ([]outcome, error) {
	o.dir, o.say = dir, func(string, ...any) {}
	if o.verbose {
		o.say = func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }
	}
	var outcomes []outcome
	for _, r := range o.runs() {
		if ctx.Err() != nil {
			fmt.Fprintf(stdout, "%s: not played, for %v\n", r.title, context.Cause(ctx))
			break
		}
		result, err := play(ctx, r.of(o.config))
		if err == nil {
			err = report(stdout, r.title, result)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.title, err)
		}
		outcomes = append(outcomes, result)
	}
	return outcomes, nil
}

// isTerminal tells whether a file is one.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
