package userspace

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"
)

// Exit codes of Main.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main is the command `wireguard-go [-f|--foreground] INTERFACE`. args are the
// arguments after the program's name. It returns the exit code, after having
// told on stderr what went wrong. A foreground engine ends with code 0 when ctx
// ends, at SIGTERM or SIGINT, or when its interface is deleted.
func Main(ctx context.Context, args []string, stderr io.Writer) int {
	o, ready, err := parseArgs(args, stderr)
	if err != nil {
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// The links outlive the reader of the log: to lose it fails a write.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	if ready > 0 {
		err = runReporting(ctx, o, os.NewFile(uintptr(ready), "ready"))
	} else {
		err = Run(ctx, o)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", Name, err)
		return exitFailed
	}
	return exitOK
}

// parseArgs reads the command line. ready is the number of the file that a
// background engine reports to, 0 for none.
func parseArgs(args []string, stderr io.Writer) (o Options, ready uint, err error) {
	flags := flag.NewFlagSet(Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprintf(stderr, "usage: %s [-f|--foreground] INTERFACE\n", Name) }
	flags.BoolVar(&o.Foreground, "f", false, "")
	flags.BoolVar(&o.Foreground, "foreground", false, "")
	flags.UintVar(&ready, "ready-fd", 0, "")
	if err := flags.Parse(args); err != nil {
		return o, 0, fmt.Errorf("read arguments: %w", err)
	}
	if flags.NArg() != 1 || flags.Arg(0) == "" {
		flags.Usage()
		return o, 0, errors.New("read arguments: one interface name expected")
	}
	out := logrus.New()
	out.SetOutput(stderr)
	o.Name, o.Log = flags.Arg(0), out.WithField("interface", flags.Arg(0))
	return o, ready, nil
}

// runReporting runs a foreground engine for a parent that waits on a pipe: one
// word when it is ready, or the error that keeps it from being so.
func runReporting(ctx context.Context, o Options, parent *os.File) error {
	o.Foreground = true
	o.ready = func() error {
		if _, err := parent.WriteString(readyWord); err != nil {
			return fmt.Errorf("write to parent: %w", err)
		}
		return parent.Close()
	}
	err := Run(ctx, o)
	if err != nil {
		// The parent is gone, or reads this; after "ready" the file is closed and
		// nobody is left to tell.
		fmt.Fprint(parent, err)
	}
	return err
}
