package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/integration/lab"
)

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) } //nolint:forbidigo // a program of its own

const (
	bad   = 1
	usage = 2
)

// run is the program; it returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if code, ran := lab.RunRole(args); ran {
		return code
	}
	o, err := parse(args[1:], stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "turmoil:", err)
		return usage
	case o.print:
		o.printAll(stdout)
		return 0
	case !lab.Inside(args):
		return enter(args, o, stderr)
	}
	redis.SetLogger(quiet{})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	good, err := o.playAll(ctx, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "turmoil:", err)
	}
	if err != nil || !good {
		return bad
	}
	return 0
}

// enter runs the program again in namespaces of its own, with the seed that was drawn.
func enter(args []string, o options, stderr io.Writer) int {
	if err := lab.Usable(); err != nil {
		fmt.Fprintln(stderr, "turmoil:", err)
		return bad
	}
	again := append([]string{args[0]}, args[1:]...)
	code, err := lab.Enter(append(again, "-seed", strconv.FormatUint(o.seed, 10)))
	if err != nil {
		fmt.Fprintln(stderr, "turmoil:", err)
	}
	return code
}

// quiet drops what go-redis prints by itself: connections break all the time.
type quiet struct{}

// Printf implements the logger of go-redis.
func (quiet) Printf(context.Context, string, ...any) {}

func (o options) plan(i int) plan { return draw(o.seed+uint64(i), o.nodes, o.silences, o.most) } //nolint:gosec // i ≥ 0

func (o options) printAll(w io.Writer) {
	for i := range o.schedules {
		for _, line := range o.plan(i).lines(partName) {
			fmt.Fprintln(w, line)
		}
	}
}

// playAll plays the schedules; false if something was wrong.
func (o options) playAll(ctx context.Context, stdout io.Writer) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(o.minutes)*time.Minute, fmt.Errorf("%d minutes are over (-minutes)", o.minutes))
	defer cancel()
	dir, err := os.MkdirTemp(o.dir, "turmoil-")
	if err != nil {
		return false, fmt.Errorf("make a folder: %w", err)
	}
	outcomes, err := o.playEach(ctx, dir, func(one outcome) { tell(stdout, one) })
	if err != nil {
		fmt.Fprintln(stdout, "ended early:", err)
	}
	good := total(stdout, outcomes, o.schedules)
	if good && o.slow == 0 {
		return true, os.RemoveAll(dir)
	}
	fmt.Fprintln(stdout, "Logs:", dir)
	return good, nil
}

// playEach plays one schedule after the other. A cluster that did not heal is of no use to
// the next one.
func (o options) playEach(ctx context.Context, dir string, told func(outcome)) (all []outcome, err error) {
	var st *stage
	defer func() {
		if st != nil {
			err = errors.Join(err, st.close())
		}
	}()
	for i := range o.schedules {
		if ctx.Err() != nil {
			return all, context.Cause(ctx)
		}
		if st == nil {
			if st, err = newStage(ctx, o.nodes, o.programs); err != nil {
				return all, err
			}
		}
		one := st.play(ctx, o.plan(i))
		if !one.good() || o.slow > 0 && one.heal > o.slow {
			if one.folder, err = st.collect(context.WithoutCancel(ctx), dir, one); err != nil {
				one.trouble = errors.Join(one.trouble, err)
			}
		}
		if !one.good() {
			broken := st
			st = nil
			if err = broken.close(); err != nil {
				return append(all, one), err
			}
		}
		told(one)
		all = append(all, one)
	}
	return all, nil
}
