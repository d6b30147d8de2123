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
	on := c.On()
	heading := make([]string, 0, len(on)+4)
	heading = append(heading, "node", "VPN address", "leader", "Redis")
	for _, to := range on {
		heading = append(heading, fmt.Sprintf("ping %d", to))
	}
	rows := make([][]cell, 0, len(views))
	for _, v := range views {
		row := []cell{
			{text: strconv.Itoa(v.Node)},
			{text: c.VPNAddress(v.Node).String()},
			{text: v.Leader, bad: v.Leader != strconv.Itoa(c.Leader)},
			roleCell(v),
		}
		for _, p := range pings {
			if p.From == v.Node {
				row = append(row, pingCell(p))
			}
		}
		rows = append(rows, row)
	}
	out.table(heading, rows)
}

func roleCell(v lab.View) cell {
	if v.Role.Master {
		return cell{text: fmt.Sprintf("master of %d", len(v.Role.Replicas))}
	}
	return cell{text: fmt.Sprintf("replica of %s, %s", v.Role.Host, v.Link), bad: v.Link != "up"}
}

func pingCell(r lab.Reach) cell {
	if r.Err != nil {
		return cell{text: "none", bad: true}
	}
	return cell{text: fmt.Sprintf("%.1f ms", float64(r.RTT)/float64(time.Millisecond))}
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
	allowed := strings.Join(p.AllowedIPs, " ")
	return []cell{
		{text: strconv.Itoa(node)},
		{text: strconv.Itoa(peer), bad: node != c.Leader && peer != c.Leader},
		{text: p.Endpoint},
		age,
		{text: strings.ReplaceAll(allowed, "/32", "")},
	}
}
