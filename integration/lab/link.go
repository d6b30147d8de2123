package lab

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// blockTable is the lab's own table of packet filters in a node.
const blockTable = "table inet lab"

// CutLink pulls the node's cable: the node sees its link go down.
func (n *Node) CutLink() error {
	n.unplugged.Store(true)
	return n.wire()
}

// RestoreLink puts the cable back and waits until packets pass. Routes are as before: the
// node never lost eth0.
func (n *Node) RestoreLink(ctx context.Context) error {
	n.unplugged.Store(false)
	if err := n.wire(); err != nil {
		return err
	}
	return n.awaitLink(ctx)
}

// wire lets packets pass between the node and the switch, or not: a node that is off sends
// no last word.
func (n *Node) wire() error {
	n.wiring.Lock()
	defer n.wiring.Unlock()
	port, err := n.lab.switchLinks.LinkByName(n.port())
	if err != nil {
		return fmt.Errorf("find link of node %d: %w", n.ID, err)
	}
	set := n.lab.switchLinks.LinkSetUp
	if !n.linked() {
		set = n.lab.switchLinks.LinkSetDown
	}
	if err := set(port); err != nil {
		return fmt.Errorf("switch link of node %d: %w", n.ID, err)
	}
	return nil
}

// linked says whether the node has power and a cable.
func (n *Node) linked() bool { return !n.off.Load() && !n.unplugged.Load() }

// awaitLink waits until both ends of the cable, if there is one and the node wants it, are seen
// as up, which the kernel does by and by. It looks instead of trying: a first packet that is lost
// costs a second, until the address of the other is asked for again.
func (n *Node) awaitLink(ctx context.Context) error {
	link, err := n.links.LinkByName(nodeLink)
	if err != nil {
		return fmt.Errorf("find link %s: %w", nodeLink, err)
	}
	if setDown := link.Attrs().Flags&net.FlagUp == 0; setDown {
		return nil // by the node itself
	}
	return Until(ctx, time.Millisecond, func(context.Context) error {
		if !n.linked() {
			return nil
		}
		return errors.Join(isUp(n.lab.switchLinks, n.port()), isUp(n.links, nodeLink), n.listens6())
	})
}

// listens6 is nil once the node hears who asks for its IPv6 address: the kernel joins the
// multicast group for that (RFC 4291, 2.7.1) some time after the link is up.
func (n *Node) listens6() error {
	groups, err := os.ReadFile("/proc/" + strconv.Itoa(n.holder.pid) + "/net/igmp6")
	if err != nil {
		return fmt.Errorf("multicast groups of node %d: %w", n.ID, err)
	}
	address := Address6(n.ID).As16()
	mine := "ff0200000000000000000001ff" + hex.EncodeToString(address[13:])
	if !strings.Contains(string(groups), mine) {
		return fmt.Errorf("node %d is not in multicast group %s", n.ID, mine)
	}
	return nil
}

func isUp(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}
	if state := link.Attrs().OperState; state != netlink.OperUp {
		return fmt.Errorf("link %s is %s", name, state)
	}
	return nil
}

// Block makes the node drop, silently, what arrives from the given nodes by the
// internet. It replaces what was blocked before; without nodes nothing is blocked. To
// part two nodes, block one in each.
func (n *Node) Block(ctx context.Context, nodes ...int) error {
	var rules strings.Builder
	// "add" first, so that "delete" finds the table: nft has no "delete if exists" before 1.1.
	fmt.Fprintf(&rules, "add %s\ndelete %s\n", blockTable, blockTable)
	if len(nodes) > 0 {
		fmt.Fprintf(&rules, "%s {\nchain in {\ntype filter hook prerouting priority raw;\n", blockTable)
		for _, id := range nodes {
			fmt.Fprintf(&rules, "ip saddr %s drop\nip6 saddr %s drop\n", Address4(id), Address6(id))
		}
		rules.WriteString("}\n}\n")
	}
	_, err := n.RunInput(ctx, strings.NewReader(rules.String()), "nft", "-f", "-")
	return err
}
