package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"cluster-agent/integration/lab"
)

const (
	leastNodes  = 3 // node 3 is the one that is promoted
	mostNodes   = 50
	interrupted = 130
)

// options are what the demo can be told.
type options struct {
	nodes    int
	programs string
	keep     bool
}

func (o *options) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&o.nodes, "nodes", leastNodes, "how many nodes the cluster has")
	cmd.Flags().StringVar(&o.programs, "programs", "", "directory of the agent and the other programs (default: that of this one)")
}

func (o *options) validate() error {
	if o.nodes < leastNodes || o.nodes > mostNodes {
		return fmt.Errorf("the demo needs %d to %d nodes, not %d", leastNodes, mostNodes, o.nodes)
	}
	if o.programs == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find the programs: %w", err)
		}
		o.programs = filepath.Dir(self)
	}
	var err error
	if o.programs, err = filepath.Abs(o.programs); err != nil {
		return fmt.Errorf("find the programs: %w", err)
	}
	if _, err = os.Stat(filepath.Join(o.programs, "agent")); err != nil {
		return fmt.Errorf("find the programs: %w", err)
	}
	return lab.Usable()
}

func demoCommand(args []string) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Make a cluster, promote node 3 to leader, show what came of it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			if o.keep {
				return demoKept(cmd.Context(), args[0], o)
			}
			return demoOnce(args, o)
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.keep, "keep", false, "leave the cluster running")
	return cmd
}

// demoOnce runs the demo in namespaces that end with it.
func demoOnce(args []string, o options) error {
	if !lab.Inside(args) {
		code, err := lab.Enter(args)
		if err == nil && code != 0 {
			err = exit(code)
		}
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	d := &demo{out: &printer{to: os.Stdout, colour: isTerminal(os.Stdout)}, options: o}
	err := d.run(ctx)
	if d.cluster != nil && ctx.Err() == nil {
		err = errors.Join(err, d.cluster.Lab.Close())
	}
	return verdict(ctx, d.out, err)
}

// verdict says, last, how the demo ended.
func verdict(ctx context.Context, out *printer, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		out.line("\ninterrupted")
		return exit(interrupted)
	default:
		out.failure(err)
		return exit(1)
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
