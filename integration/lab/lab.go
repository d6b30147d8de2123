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
	Nodes int           // how many nodes, 1 to 200
	Agent string        // path of the agent's binary; empty for a lab without agents
	Log   *logrus.Entry // what the lab itself has to say; nil: nothing
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
	if err := l.install(cfg.Agent); err != nil {
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

// Names are the names under which the agent's binary is called.
func Names() []string {
	return []string{"agent", "api-cli", "switch-leader", "apply-vpn-routes", "vpn-status", "wireguard-go"}
}

// install puts the agent where every node has it in /usr/local/bin. It is a copy: nodes
// go on working while the project is built anew.
func (l *Lab) install(agent string) error {
	bin := filepath.Join(l.dir, "local", "bin")
	if err := errors.Join(os.Chmod(l.dir, 0o755), mkdir(filepath.Dir(bin), 0o755), mkdir(bin, 0o755)); err != nil { //nolint:gosec // users other than root pass through it
		return err
	}
	if agent == "" {
		return nil
	}
	names := Names()
	if err := copyFile(agent, filepath.Join(bin, names[0]), 0o755, owner{}); err != nil {
		return fmt.Errorf("install agent: %w", err)
	}
	for _, name := range names[1:] {
		if err := os.Symlink(names[0], filepath.Join(bin, name)); err != nil {
			return fmt.Errorf("install agent: %w", err)
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
