package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
)

// Config says what a lab consists of.
type Config struct {
	Nodes    int           // how many nodes, 1 to 200
	Programs string        // directory of the programs, as they were built; empty for a lab without agents
	Log      *logrus.Entry // what the lab itself has to say; nil: nothing
}

// Lab is a set of nodes on one internet. Several can exist beside each other.
type Lab struct {
	// Nodes are the machines; index 0 is node 1.
	Nodes []*Node

	dir         string
	log         *logrus.Entry
	router      *holder // whose network namespace is the switch
	switchLinks *netlink.Handle
	echoes      atomic.Uint32 // conversations of pings
}

// New builds the nodes' machines: booted, empty, connected. It works only Inside.
func New(ctx context.Context, cfg Config) (*Lab, error) {
	if cfg.Nodes < 1 || cfg.Nodes > maxNodes {
		return nil, fmt.Errorf("a lab has 1 to %d nodes, not %d", maxNodes, cfg.Nodes)
	}
	if err := Usable(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(base, "lab")
	if err != nil {
		return nil, fmt.Errorf("make the lab's directory: %w", err)
	}
	l := &Lab{dir: dir, log: cfg.Log}
	if l.log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		l.log = logrus.NewEntry(silent)
	}
	if err := l.build(ctx, cfg); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Node returns node number id, from 1.
func (l *Lab) Node(id int) *Node { return l.Nodes[id-1] }

func (l *Lab) build(ctx context.Context, cfg Config) error {
	if err := l.install(cfg.Programs); err != nil {
		return err
	}
	var err error
	if l.router, err = startHolder(ctx, "internet", ""); err != nil {
		return err
	}
	if l.switchLinks, err = links(l.router.pid); err != nil {
		return err
	}
	if err = makeInternet(l.switchLinks); err != nil {
		return err
	}
	if err = l.router.route(); err != nil {
		return err
	}
	for id := range cfg.Nodes {
		l.Nodes = append(l.Nodes, newNode(l, id+1))
	}
	return forEach(l.Nodes, func(n *Node) error { return n.build(ctx) })
}

// programs are the files that are installed on a node.
func programs() []string { return []string{"agent", "apply-vpn-routes"} }

// agentNames are the other names under which the agent's file is called.
func agentNames() []string {
	return []string{"api-cli", "switch-leader", "vpn-status", "wireguard-go"}
}

// install puts the programs where every node has them in /usr/local/bin. They are copies:
// nodes go on working while the project is built anew.
func (l *Lab) install(from string) error {
	bin := filepath.Join(l.dir, "local", "bin")
	if err := errors.Join(os.Chmod(l.dir, 0o755), mkdir(filepath.Dir(bin), 0o755), mkdir(bin, 0o755)); err != nil { //nolint:gosec // users other than root pass through it
		return err
	}
	if from == "" {
		return nil
	}
	for _, name := range programs() {
		if err := copyFile(filepath.Join(from, name), filepath.Join(bin, name), 0o755, owner{}); err != nil {
			return fmt.Errorf("install %s: %w", name, err)
		}
	}
	for _, name := range agentNames() {
		if err := os.Symlink("agent", filepath.Join(bin, name)); err != nil {
			return fmt.Errorf("install %s: %w", name, err)
		}
	}
	return nil
}

// Close powers every node off and removes the lab. What it misses goes when the program ends.
func (l *Lab) Close() error {
	errs := []error{forEach(l.Nodes, func(n *Node) error { return n.close() })}
	if l.switchLinks != nil {
		l.switchLinks.Close()
	}
	if l.router != nil {
		errs = append(errs, l.router.end())
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}
