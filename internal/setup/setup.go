// Package setup prepares a machine to be a node, once, before any cluster:
// keys, passwords, environment files, hosts, units, and the users and settings
// of the local Redis. What an installer of a distribution has done is kept.
package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/sirupsen/logrus"

	"cluster-agent/internal/host"
)

// Options of Run. Files, Services and Log are needed, the rest has defaults.
type Options struct {
	Files    host.Files
	Services host.Services
	// RedisAddress is host:port of the local Redis; default 127.0.0.1:6379.
	RedisAddress string
	// RedisUser is the system user that Redis runs as; default redis.
	RedisUser string
	// RedisTimeout is how long to wait for Redis after its restart; default 30 s.
	RedisTimeout time.Duration
	// Log gets warnings and what is waited for.
	Log *logrus.Entry
}

// Run prepares the machine. It can be repeated, after a failure to go on from
// there, and on a node that has joined a cluster since, where it only reports
// what it kept. The report is valid, as far as it came, also with an error.
func Run(ctx context.Context, opts Options) (Report, error) {
	run, err := newRun(opts)
	if err != nil {
		return Report{}, err
	}
	for _, step := range []struct {
		verb string
		do   func(ctx context.Context) error
	}{
		{"make directories", run.directories},
		{"make WireGuard keys", run.keys},
		{"write environment files", run.environment},
		{"write hosts", run.hosts},
		{"write units", run.units},
		{"let packets pass on", run.forwarding},
		{"prepare Redis", run.redis},
		{"enable services", run.enable},
	} {
		if err = step.do(ctx); err != nil {
			return run.report, fmt.Errorf("%s: %w", step.verb, err)
		}
	}
	return run.report, nil
}

// run is one pass over the machine.
type run struct {
	Options
	redisPort string
	report    Report
	// Known after environment.
	nodeID        int
	cluster, node host.Credentials
}

func newRun(opts Options) (*run, error) {
	if opts.Services == nil || opts.Log == nil {
		return nil, errors.New("set up node: Services and Log are needed")
	}
	if opts.RedisAddress == "" {
		opts.RedisAddress = "127.0.0.1:6379"
	}
	if opts.RedisUser == "" {
		opts.RedisUser = "redis"
	}
	if opts.RedisTimeout == 0 {
		opts.RedisTimeout = 30 * time.Second
	}
	_, port, err := net.SplitHostPort(opts.RedisAddress)
	if err != nil {
		return nil, fmt.Errorf("set up node: address of Redis: %w", err)
	}
	return &run{Options: opts, redisPort: port}, nil
}
