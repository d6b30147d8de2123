package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
	"github.com/vishvananda/netlink"
)

// Node is one machine of the lab.
type Node struct {
	ID    int
	Admin *ClusterAdmin // the web server that plays cluster-admin

	lab      *Lab
	dir      string // its files, as the lab sees them
	holder   *holder
	links    *netlink.Handle
	services map[string]*Service

	off, unplugged atomic.Bool
	wiring         sync.Mutex // held while the link is made what these two say

	mu      sync.Mutex
	clients map[string]*redis.Client // by user
}

func newNode(l *Lab, id int) *Node {
	name := "node" + strconv.Itoa(id)
	n := &Node{ID: id, lab: l, dir: filepath.Join(l.dir, name), clients: map[string]*redis.Client{}}
	n.services = map[string]*Service{}
	for _, u := range units() {
		n.services[u.name] = newService(n, u)
	}
	n.Admin = newClusterAdmin(n)
	return n
}

// Name is the node's host name.
func (n *Node) Name() string { return filepath.Base(n.dir) }

// Service returns the service with this unit's name: Redis, ClusterAgent or NodeAgent.
func (n *Node) Service(name string) *Service { return n.services[name] }

// Holder is the process whose namespaces are the node's, for nsenter.
func (n *Node) Holder() int { return n.holder.pid }

func (n *Node) build(ctx context.Context) error {
	if err := errors.Join(mkdir(n.dir, 0o755), mkdir(filepath.Join(n.dir, "journal"), 0o700)); err != nil {
		return err
	}
	if err := makeNodeFiles(n.dir, n.Name()); err != nil {
		return fmt.Errorf("files of node %d: %w", n.ID, err)
	}
	var err error
	if n.holder, err = startHolder(ctx, n.Name(), n.dir); err != nil {
		return err
	}
	if n.links, err = links(n.holder.pid); err != nil {
		return err
	}
	if err := plugIn(n.lab.switchLinks, n); err != nil {
		return err
	}
	return n.awaitLink(ctx)
}

func (n *Node) close() error {
	if n.holder == nil {
		return nil
	}
	err := n.kill(context.Background())
	for _, c := range n.clients {
		err = errors.Join(err, c.Close())
	}
	if n.links != nil {
		n.links.Close()
	}
	return errors.Join(err, n.holder.end())
}

// root opens the node's file system. Absolute symbolic links, as /var/run, are refused:
// name files by their real places.
func (n *Node) root() (*os.Root, error) {
	root, err := os.OpenRoot("/proc/" + strconv.Itoa(n.holder.pid) + "/root")
	if err != nil {
		return nil, fmt.Errorf("files of node %d: %w", n.ID, err)
	}
	return root, nil
}

// ReadFile returns a file of the node.
func (n *Node) ReadFile(path string) (text string, err error) {
	root, err := n.root()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	data, err := root.ReadFile(relative(path))
	if err != nil {
		return "", fmt.Errorf("node %d: %w", n.ID, err)
	}
	return string(data), nil
}

// WriteFile writes a file of the node; its directories are made if they are missing.
func (n *Node) WriteFile(path, text string, mode os.FileMode) (err error) {
	root, err := n.root()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err = root.MkdirAll(filepath.Dir(relative(path)), 0o755); err == nil {
		err = root.WriteFile(relative(path), []byte(text), mode)
	}
	if err != nil {
		return fmt.Errorf("node %d: %w", n.ID, err)
	}
	return nil
}

// HasFile says whether the node has something at path.
func (n *Node) HasFile(path string) (has bool, err error) {
	root, err := n.root()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	_, err = root.Lstat(relative(path))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// relative is path as os.Root wants it.
func relative(path string) string {
	return strings.TrimPrefix(filepath.Clean("/"+path), "/")
}
