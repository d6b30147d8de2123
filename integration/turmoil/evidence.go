package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cluster-agent/integration/lab"
)

// collect writes all that is known of a schedule that failed into a folder of its own.
func (st *stage) collect(ctx context.Context, dir string, o outcome) (string, error) {
	folder := filepath.Join(dir, fmt.Sprintf("seed-%d", o.plan.Seed))
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // anybody may read it
		return "", fmt.Errorf("make a folder: %w", err)
	}
	put := func(name, text string) error {
		return os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644) //nolint:gosec // as above
	}
	var errs []error
	errs = append(errs, put("what-happened", strings.Join(append(o.lines(), o.said...), "\n")+"\n"))
	for _, n := range st.Lab.Nodes {
		for _, unit := range []string{lab.NodeAgent, lab.ClusterAgent} {
			service := n.Service(unit)
			text, err := service.Log()
			errs = append(errs, err, put(fmt.Sprintf("node%d-%s.log", n.ID, unit), st.clock.stamped(service.LogFile(), text, o.began)))
		}
		text, err := n.ReadFile("/var/log/redis/redis-server.log")
		errs = append(errs, err, put(fmt.Sprintf("node%d-redis.log", n.ID), text))
		errs = append(errs, put(fmt.Sprintf("node%d-state", n.ID), state(ctx, n)))
	}
	return folder, errors.Join(errs...)
}

// state is what a node says of itself.
func state(ctx context.Context, n *lab.Node) string {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var text strings.Builder
	for _, args := range [][]string{
		{"INFO", "replication"},
		{"HGETALL", "cluster/environment"},
		{"HGETALL", "cluster/leadership"},
		{"ACL", "LIST"},
	} {
		out, err := n.RedisCLI(ctx, args...)
		fmt.Fprintf(&text, "# %s\n%s\n%v\n", strings.Join(args, " "), out, err)
	}
	for _, argv := range [][]string{
		{"wg", "show"},
		{"ip", "route"},
		{"cat", "/etc/hosts", "/etc/wireguard/wg0.conf", stateDir + "leadership.json"},
		{"ls", "-l", stateDir},
		{"grep", "-i", "replicaof", "/etc/redis/redis.conf"},
	} {
		out, err := n.Exec(ctx, argv...)
		fmt.Fprintf(&text, "# %s\n%s%s%v\n", strings.Join(argv, " "), out.Stdout, out.Stderr, err)
	}
	return text.String()
}
