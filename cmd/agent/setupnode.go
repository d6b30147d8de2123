package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/host"
	"cluster-agent/internal/setup"
)

func setupNodeCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "setup-node",
		Short: "Prepare this machine to be a node of a cluster",
		Long: `Prepares this machine, once, before it creates or joins a cluster: WireGuard
keys, Redis users and settings, the agents' environment, unit files. What is
there is kept; it can be repeated.`,
		Example: "  agent setup-node",
		Args:    cli.Usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := cli.Interruptible(command.Context())
			defer stop()
			files := env.Files()
			manager, err := host.DetectManager(files, host.Exec{})
			if err != nil {
				return err
			}
			report, err := setup.Run(ctx, setup.Options{Files: files, Services: manager, Log: env.PlainLogger()})
			if perr := cli.PrintLines(env.Stdout, report.Lines()); perr != nil {
				return perr
			}
			if err != nil {
				return fmt.Errorf("prepare this machine: %w", err)
			}
			return nil
		},
	}
}

func joinRequestCommand(env *environment) *cobra.Command {
	var endpoint string
	command := &cobra.Command{
		Use:   "join-request",
		Short: "Print what add-node on the leader has to know of this machine",
		Example: `  agent join-request                        # on the node that is to join
  api-cli run add-node --data "$REQUEST"    # on the leader, with what it printed`,
		Args: cli.Usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			request, err := setup.JoinRequest(env.Files())
			if err != nil {
				return err
			}
			request.Endpoint, request.CoreVersion = endpoint, coreVersion(os.Getenv)
			return json.NewEncoder(env.Stdout).Encode(request)
		},
	}
	command.Flags().StringVar(&endpoint, "endpoint", "", "where other nodes reach this one's WireGuard, if they can")
	nameValue(command.Flags(), "endpoint", "HOST:PORT")
	return command
}
