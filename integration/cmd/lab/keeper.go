package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"cluster-agent/integration/lab"
)

// firstExtraFile is the descriptor of the first file that a process is given beside the
// standard streams.
const firstExtraFile = 3

// keeperCommand is the background part of a kept lab. Outside it has the socket and the
// namespaces; inside it has the cluster, and answers on the same socket.
func keeperCommand(args []string) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:    "keeper",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			if lab.Inside(args) {
				return keepInside(o)
			}
			return keepOutside(args)
		},
	}
	o.flags(cmd)
	return cmd
}

func keepOutside(args []string) (err error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "unix", socketName)
	if err != nil {
		return fmt.Errorf("another lab is running: %w", err)
	}
	unixListener, ok := listener.(*net.UnixListener)
	if !ok {
		return errors.New("not a Unix socket")
	}
	file, err := unixListener.File()
	if err != nil {
		return fmt.Errorf("share socket: %w", err)
	}
	// The socket stays open here until everything inside has ended: once nobody answers,
	// nothing is left.
	defer func() { err = errors.Join(err, file.Close(), listener.Close()) }()
	code, err := lab.Enter(args, file)
	if err == nil && code != 0 {
		err = exit(code)
	}
	return err
}

func keepInside(o options) error {
	// Listening again makes this process, not the one that made the socket, the peer that
	// clients see (SO_PEERCRED), and whose namespaces they enter.
	if err := unix.Listen(firstExtraFile, unix.SOMAXCONN); err != nil {
		return fmt.Errorf("take socket over: %w", err)
	}
	listener, err := net.FileListener(os.NewFile(firstExtraFile, "socket"))
	if err != nil {
		return fmt.Errorf("take socket over: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return newKept(o).serve(ctx, trustingListener{listener})
}
