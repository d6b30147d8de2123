package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cluster-agent/integration/lab"
)

// show prints what every node says and reaches; the error has all that is not right.
func show(ctx context.Context, out *printer, c *lab.Cluster) error {
	views := c.Views(ctx)
	pings := c.PingAll(ctx, pingTime)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	redisTable(out, c, views, pings)
	out.line("")
	peerTable(out, c, views)
	found := slices.Concat(c.Expect().Check(views), lab.Unreached(pings))
	if len(found) > 0 {
		return errors.New(strings.Join(found, "\n"))
	}
	return nil
}

// redisTable has a line for each node: who leads, what its Redis is, whom it reaches.
func redisTable(out *printer, c *lab.Cluster, views []lab.View, pings []lab.Reach) {
	heading := append([]string{"node", "VPN address", "leader", "Redis"}, pingHeading(c.On())...)
	rows := make([][]cell, 0, len(views))
	for _, v := range views {
		mine := slices.DeleteFunc(slices.Clone(pings), func(r lab.Reach) bool { return r.From != v.Node })
		rows = append(rows, append([]cell{
			{text: strconv.Itoa(v.Node)},
			{text: c.VPNAddress(v.Node).String()},
			{text: v.Leader, bad: v.Leader != strconv.Itoa(c.Leader)},
			roleCell(v),
		}, pingCells(mine)...))
	}
	out.table(heading, rows)
}

// addresses are allowed IPs as people say them: without the length of a single one, and
// many as from … to.
func addresses(allowed []string) string {
	short := strings.ReplaceAll(strings.Join(allowed, " "), "/32", "")
	if len(allowed) <= wide {
		return short
	}
	all := strings.Fields(short)
	return fmt.Sprintf("%s … %s (%d)", all[0], all[len(all)-1], len(all))
}

func roleCell(v lab.View) cell {
	if v.Role.Master {
		return cell{text: fmt.Sprintf("master of %d", len(v.Role.Replicas))}
	}
	return cell{text: fmt.Sprintf("replica of %s, %s", v.Role.Host, v.Link), bad: v.Link != "up"}
}

// peerTable is `wg show wg0` of every node, a line for each peer.
func peerTable(out *printer, c *lab.Cluster, views []lab.View) {
	names := c.Expect().Keys
	var rows [][]cell
	for _, v := range views {
		peers := v.Device.Peers
		slices.SortFunc(peers, func(a, b lab.Peer) int { return names[a.Key] - names[b.Key] })
		for _, p := range peers {
			rows = append(rows, peerRow(c, v.Node, names[p.Key], p))
		}
	}
	out.table([]string{"wg0 of", "peer", "endpoint", "handshake", "allowed IPs"}, rows)
}

func peerRow(c *lab.Cluster, node, peer int, p lab.Peer) []cell {
	age := cell{text: "never", bad: true}
	if !p.Handshake.IsZero() {
		age = cell{text: fmt.Sprintf("%.0f s ago", time.Since(p.Handshake).Seconds())}
	}
	return []cell{
		{text: strconv.Itoa(node)},
		{text: strconv.Itoa(peer), bad: node != c.Leader && peer != c.Leader},
		{text: p.Endpoint},
		age,
		{text: addresses(p.AllowedIPs)},
	}
}
