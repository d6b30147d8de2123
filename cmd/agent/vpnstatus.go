package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
	"cluster-agent/vpn"
)

// statusInterval is the time between two looks of --watch.
const statusInterval = 2 * time.Second

// clearScreen moves to the top left corner and clears what is below.
const clearScreen = "\033[H\033[J"

func vpnStatusCommand(env *environment) *cobra.Command {
	var asJSON, watch bool
	command := &cobra.Command{
		Use:   "vpn-status",
		Short: "Show how the VPN and the replication are, what is wrong, and what to do",
		Long: `Shows who leads, each node with its address, endpoint, last handshake, traffic
and state, what differs from Redis, and for each problem why it is one and what
to do. It changes nothing, and what does not answer holds it up for a few
seconds at most. Exit code 0 if all is well, 1 if not.

States: up (a handshake in the last 135 s), stale (an older one), never (none),
through the hub (a worker that this worker reaches through the leader), not of
the cluster (a peer of wg0 that is no node: no problem).

--json prints one line:
  {"time","ok","node","leader","network",
   "interface":{"exists","up","public_key","listen_port"},
   "peers":[{"id","name","ip_address","public_key","leader","state","endpoint",
             "configured_endpoint","last_handshake","received","sent"}],
   "differences":[TEXT],"problems":[{"kind","node","why","do"}],"notes":[TEXT]}
time is RFC 3339 in UTC; node and leader are node ids, 0 if unknown, as is the
id of a peer that is no node; endpoint is in use, configured_endpoint in the
record, each HOST:PORT or empty; last_handshake is in Unix seconds, 0 for never;
received and sent are bytes; state is one of local, up, stale, never, missing,
hub, former, foreign, unknown; differences are what apply-vpn-routes would do.
kind is one of not-root, not-prepared, no-cluster, removed, unknown, interface,
no-network, record, endpoint, handshake, route, difference, leader, replication,
agent; node is whose problem it is, 0 for nobody's in particular.`,
		Example: `  vpn-status
  vpn-status --watch
  vpn-status --json | jq -r '.problems[].why'`,
		Args: cli.Usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := cli.Interruptible(command.Context())
			defer stop()
			machine, err := env.Machine(env.PlainLogger())
			if err != nil {
				return err
			}
			show := statusPrinter{out: env.Stdout, json: asJSON, terminal: isTerminal(env.Stdout)}
			if watch {
				return watchStatus(ctx, machine.Status, show)
			}
			status := machine.Status(ctx)
			if ctx.Err() != nil {
				return ctx.Err() // what could not be asked in time is no problem of the node
			}
			if err := show.print(status); err != nil {
				return err
			}
			return statusCode(status)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	command.Flags().BoolVar(&watch, "watch", false, "look every 2 s, until Ctrl-C; exits with the code of the last look")
	return command
}

func statusCode(status vpn.Status) error {
	if !status.OK {
		return cli.ExitError(cli.ExitFailure)
	}
	return nil
}

// watchStatus shows one look after the other until ctx ends. A look that is cut
// off is not shown.
func watchStatus(ctx context.Context, look func(context.Context) vpn.Status, show statusPrinter) error {
	show.watch = true
	ticker := time.NewTicker(statusInterval)
	defer ticker.Stop()
	code := error(cli.ExitError(cli.ExitFailure)) // until something is known
	for {
		status := look(ctx)
		if ctx.Err() != nil {
			return code
		}
		if err := show.print(status); err != nil {
			return err
		}
		code = statusCode(status)
		select {
		case <-ctx.Done():
			return code
		case <-ticker.C:
		}
	}
}

// statusPrinter prints one status, or one after the other.
type statusPrinter struct {
	out      io.Writer
	json     bool
	terminal bool
	watch    bool
	printed  bool
}

func (p *statusPrinter) print(status vpn.Status) error {
	var text bytes.Buffer
	switch {
	case p.json:
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(status); err != nil {
			return fmt.Errorf("encode status: %w", err)
		}
	case p.watch && p.terminal:
		text.WriteString(clearScreen + status.Text(true))
	default:
		if p.printed {
			text.WriteString("\n")
		}
		text.WriteString(status.Text(p.terminal))
	}
	p.printed = true
	_, err := p.out.Write(text.Bytes()) // at once: a screen does not flicker
	return err
}
