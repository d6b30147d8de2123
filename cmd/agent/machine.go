package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"cluster-agent/internal/host"
	"cluster-agent/internal/node"
	"cluster-agent/vpn/userspace"
)

// machine returns this machine, as it is found.
func (e *environment) machine(log *logrus.Entry) (*node.Machine, error) {
	files, runner := e.files(), host.Exec{}
	manager, err := host.DetectManager(files, runner)
	if err != nil {
		return nil, fmt.Errorf("find the service manager: %w", err)
	}
	return &node.Machine{
		Files: files, Manager: manager, Runner: runner,
		Resolver: net.DefaultResolver, Log: log,
	}, nil
}

// runEngine is the command wireguard-go.
func runEngine(args []string, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return userspace.Main(ctx, args, stderr)
}

// interruptible ends with the first SIGINT or SIGTERM. The second ends the
// process, for those who do not want to wait until the work has been wound up.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// usage turns what a command's arguments lack into an error of usage.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if err := check(command, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

func flagError(_ *cobra.Command, err error) error { return usageError{err} }

// isTerminal tells whether a person is likely to look at w.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	connection, err := file.SyscallConn()
	if err != nil {
		return false
	}
	terminal := false
	err = connection.Control(func(fd uintptr) {
		_, failure := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		terminal = failure == nil
	})
	return err == nil && terminal
}
