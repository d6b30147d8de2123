package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/integration/lab"
)

// dumpPattern are the dumps that nodes keep of writes which the cluster has not.
const dumpPattern = stateDir + "lost-writes-*.rdb"

// readDumps reads the writes of a schedule that nodes have kept, and counts the dumps.
func readDumps(ctx context.Context, c *lab.Cluster, seed uint64) (numbers, int, error) {
	all, count := numbers{}, 0
	for _, n := range c.Lab.Nodes {
		list, err := n.Run(ctx, "sh", "-c", "ls "+dumpPattern+" 2>/dev/null || true")
		if err != nil {
			return nil, 0, err
		}
		for file := range strings.FieldsSeq(list) {
			count++
			if err := readDump(ctx, n, file, seed, all); err != nil {
				return nil, 0, fmt.Errorf("node %d: read %s: %w", n.ID, file, err)
			}
		}
	}
	return all, count, nil
}

// readDump starts a Redis on a copy of a dump.
func readDump(ctx context.Context, n *lab.Node, file string, seed uint64, into numbers) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	text, err := n.ReadFile(file)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "turmoil-dump-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err = os.WriteFile(filepath.Join(dir, "dump.rdb"), []byte(text), 0o600); err != nil {
		return err
	}
	socket := filepath.Join(dir, "socket")
	server := exec.CommandContext(ctx, "redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "")
	if err = server.Start(); err != nil {
		return err
	}
	db := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	err = lab.Until(ctx, lookInterval/10, func(ctx context.Context) error { return db.Ping(ctx).Err() })
	if err == nil {
		err = merge(ctx, db, seed, into)
	}
	err = errors.Join(err, db.Close(), server.Process.Kill())
	if waitErr := server.Wait(); waitErr != nil && !server.ProcessState.Exited() {
		return err // killed, as it should be
	}
	return err
}

func merge(ctx context.Context, db *redis.Client, seed uint64, into numbers) error {
	found, err := readNumbers(ctx, db, seed)
	for writer, all := range found {
		if into[writer] == nil {
			into[writer] = map[int]bool{}
		}
		for number := range all {
			into[writer][number] = true
		}
	}
	return err
}

// removeDumps makes room for those of the next schedule.
func removeDumps(ctx context.Context, c *lab.Cluster) error {
	errs := make([]error, 0, len(c.Lab.Nodes))
	for _, n := range c.Lab.Nodes {
		_, err := n.Run(ctx, "sh", "-c", "rm -f "+dumpPattern)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
