package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"cluster-agent/integration/lab"
)

// Exit codes, beside 0 for a run in which nothing was lost or doubled.
const (
	exitBad         = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) } //nolint:forbidigo // a program of its own

// run is the program, outside and inside of the lab's namespaces; it returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if code, ran := lab.RunRole(args); ran {
		return code
	}
	o, err := parse(args[1:], stderr)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "failover:", err)
		return exitUsage
	case lab.Inside(args):
		return inside(o, stdout, stderr)
	}
	if err = lab.Usable(); err != nil {
		fmt.Fprintln(stderr, "failover:", err)
		return exitBad
	}
	code, err := lab.Enter(args)
	if err != nil {
		fmt.Fprintln(stderr, "failover:", err)
	}
	return code
}

// inside measures, and prints what there is to be printed however it ends.
func inside(o options, stdout, stderr io.Writer) int {
	redis.SetLogger(quiet{})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	say := speaker(stderr, o.verbose)
	r, err := measure(ctx, o.config, say)
	r.write(stdout)
	if o.json != "" {
		err = errors.Join(err, r.save(o.json))
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "failover: interrupted")
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(stderr, "failover:", err)
		return exitBad
	case !r.good():
		return exitBad
	}
	return 0
}

// quiet drops what go-redis prints by itself: connections break all the time.
type quiet struct{}

// Printf implements the logger of go-redis.
func (quiet) Printf(context.Context, string, ...any) {}

// speaker tells a person what goes on; nobody if nobody looks.
func speaker(to io.Writer, verbose bool) func(string, ...any) {
	if !verbose {
		return func(string, ...any) {}
	}
	return func(format string, args ...any) { fmt.Fprintf(to, format+"\n", args...) }
}

// isTerminal tells whether a file is one.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
