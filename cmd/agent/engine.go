package main

import (
	"context"
	"io"
	"os/signal"
	"syscall"

	"cluster-agent/vpn/userspace"
)

// runEngine is the command wireguard-go.
func runEngine(args []string, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return userspace.Main(ctx, args, stderr)
}
