package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cluster-agent/integration/lab"
)

// client speaks to the kept lab.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, _, err := connect(ctx)
			return conn, err
		},
	}}
}

// ask sends a request and copies what the lab prints. The error is an exit code if the
// lab has said what is wrong.
func ask(ctx context.Context, method, path string) (err error) {
	if isTerminal(os.Stdout) {
		path += "?colour"
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://lab"+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the lab: %w", err)
	}
	response, err := client().Do(request)
	if none, ok := errors.AsType[noLabError](err); ok {
		return none
	}
	if err != nil {
		return fmt.Errorf("ask the lab: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if _, err = io.Copy(os.Stdout, response.Body); err != nil {
		return fmt.Errorf("ask the lab: %w", err)
	}
	code, err := strconv.Atoi(response.Trailer.Get(exitTrailer))
	if err == nil && code != 0 {
		return exit(code)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the lab: %s", response.Status)
	}
	return nil
}

func statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the cluster that was kept, and what is not right", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return ask(cmd.Context(), http.MethodGet, "/status") },
	}
}

func powerCommand(do, short string) *cobra.Command {
	return &cobra.Command{
		Use: do + " NODE", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := strconv.Atoi(args[0]); err != nil {
				return fmt.Errorf("%q is no node's number", args[0])
			}
			return ask(cmd.Context(), http.MethodPost, "/nodes/"+args[0]+"/"+do)
		},
	}
}

func downCommand() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Take the cluster down that was kept", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), settleTime)
			defer cancel()
			// The lab may be gone before it has answered.
			if err := ask(ctx, http.MethodPost, "/down"); err != nil {
				if _, none := errors.AsType[noLabError](err); none {
					return err
				}
			}
			return awaitDown(ctx)
		},
	}
}

// awaitDown waits until nothing of the lab is left.
func awaitDown(ctx context.Context) error {
	return lab.Until(ctx, 10*time.Millisecond, func(ctx context.Context) error {
		conn, _, err := connect(ctx)
		if _, none := errors.AsType[noLabError](err); none {
			return nil
		}
		if err == nil {
			err = errors.Join(errors.New("the lab is still running"), conn.Close())
		}
		return err
	})
}

// places asks where the nodes are.
func places(ctx context.Context) (all []place, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://lab/nodes", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask the lab: %w", err)
	}
	response, err := client().Do(request)
	if none, ok := errors.AsType[noLabError](err); ok {
		return nil, none
	}
	if err != nil {
		return nil, fmt.Errorf("ask the lab: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("ask the lab for its nodes: %w", err)
	}
	return all, nil
}

// interruptible is a context that ends with Ctrl-C.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
}
