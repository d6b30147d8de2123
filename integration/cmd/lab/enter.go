package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/spf13/cobra"
)

func shellCommand() *cobra.Command {
	return &cobra.Command{
		Use: "shell NODE", Short: "Open a shell in a node of the cluster that was kept", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return enter(cmd.Context(), args[0], "env", "HISTFILE=", `PS1=\h:\w\$ `, "bash", "--norc", "-i")
		},
	}
}

func execCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "exec NODE -- COMMAND…", Short: "Run a command in a node", Args: execArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			command := args[1:]
			if command[0] == "--" {
				command = command[1:]
			}
			return enter(cmd.Context(), args[0], command...)
		},
	}
	cmd.Flags().SetInterspersed(false) // flags after the node are the command's
	return cmd
}

// execArgs wants a node and a command, with or without the two dashes between.
func execArgs(_ *cobra.Command, args []string) error {
	if len(args) < 2 || args[1] == "--" && len(args) < 3 {
		return errors.New("say in which node, and which command: exec 2 -- wg show")
	}
	return nil
}

// enter runs a command in a node, on this terminal, and ends with its exit code.
func enter(ctx context.Context, node string, argv ...string) error {
	conn, pid, err := connect(ctx)
	if err != nil {
		return err
	}
	if err = conn.Close(); err != nil {
		return fmt.Errorf("reach the lab: %w", err)
	}
	holder, err := findHolder(ctx, node)
	if err != nil {
		return err
	}
	// First to the lab, whose process numbers and /proc the second step needs.
	args := append([]string{
		"--target", strconv.Itoa(pid), "--pid", "--mount", "--net", "--",
		"nsenter", "--target", strconv.Itoa(holder), "--net", "--mount", "--uts", "--wdns=/root", "--",
		"env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
	}, argv...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit(ended.ExitCode())
	}
	return err
}

func findHolder(ctx context.Context, node string) (int, error) {
	all, err := places(ctx)
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		if strconv.Itoa(p.ID) == node {
			return p.Holder, nil
		}
	}
	return 0, fmt.Errorf("there is no node %s in the lab", node)
}
