package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"
)

// The machine of the VPN's runs is node 1, the leader, of a cluster that is large
// enough for all of them.
const (
	vpnNetwork  = "10.5.0.0/16"
	vpnLink     = "wg0"
	vpnConf     = "/etc/wireguard/wg0.conf"
	vpnRedis    = "127.0.0.1:6379"
	vpnUser     = "cluster"
	vpnPassword = "bench"
	vpnNode     = "/var/lib/nethserver/node/state"
	vpnCluster  = "/var/lib/nethserver/cluster/state"
)

// vpnStage is a machine with a Redis that holds a cluster, on which wg0 comes and goes.
type vpnStage struct {
	vpnOptions
	dir    string // of what only the limit needs
	redis  *exec.Cmd
	client *redis.Client
	engine *exec.Cmd // nil: there is no wg0
}

func newVPNStage(ctx context.Context, o vpnOptions) (*vpnStage, error) {
	if err := furnish(ctx); err != nil {
		return nil, err
	}
	s := &vpnStage{vpnOptions: o, dir: filepath.Join(vpnMemory, "limit")}
	if err := errors.Join(os.MkdirAll(s.dir, 0o750), s.writeFiles(), s.startRedis(ctx)); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// writeFiles makes what setup-node and create-cluster leave on a machine, as far
// as it is read.
func (s *vpnStage) writeFiles() error {
	files := map[string]string{
		vpnNode + "/environment":    "NODE_ID=1\n",
		vpnCluster + "/environment": "NODE_ID=1\n",
		vpnCluster + "/agent.env":   "AGENT_ID=cluster\nREDIS_USER=" + vpnUser + "\nREDIS_PASSWORD=" + vpnPassword + "\nREDIS_ADDRESS=" + vpnRedis + "\n",
		vpnNode + "/agent.env":      "AGENT_ID=node/1\nREDIS_USER=node/1\nREDIS_PASSWORD=" + vpnPassword + "\n",
		"/etc/nethserver/agent.env": "REDIS_ADDRESS=cluster-leader:6379\nREDIS_REPLICA_ADDRESS=" + vpnRedis + "\n",
		"/etc/nethserver/wg0.key":   vpnKey(0) + "\n",
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (s *vpnStage) startRedis(ctx context.Context) error {
	s.redis = exec.CommandContext(ctx, "redis-server", "--port", "6379", "--protected-mode", "no",
		"--save", "", "--appendonly", "no", "--dir", s.dir)
	if err := s.redis.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	if err := answers(ctx, vpnRedis); err != nil {
		return err
	}
	s.client = redis.NewClient(&redis.Options{Addr: vpnRedis, PoolSize: 1})
	return s.client.Do(ctx, "ACL", "SETUSER", vpnUser, "on", ">"+vpnPassword, "~*", "&*", "+@all").Err()
}

// fill makes the cluster one of so many nodes besides this one.
func (s *vpnStage) fill(ctx context.Context, peers int) error {
	if err := s.client.FlushAll(ctx).Err(); err != nil {
		return err
	}
	pipe := s.client.Pipeline()
	pipe.Set(ctx, "cluster/network", vpnNetwork, 0)
	pipe.Set(ctx, "cluster/uuid", "3bcd3b04-2a9b-4f7e-8f3c-6f1c2b5c2f10", 0)
	pipe.Set(ctx, "cluster/node_sequence", peers+2, 0)
	pipe.HSet(ctx, "cluster/environment", "NODE_ID", 1)
	const batch = 500
	for node := 1; node <= peers+1; node++ {
		pipe.HSet(ctx, vpnRecord(node), vpnFields(node))
		if node%batch == 0 {
			if _, err := pipe.Exec(ctx); err != nil {
				return err
			}
		}
	}
	_, err := pipe.Exec(ctx)
	return err
}

func vpnRecord(node int) string { return fmt.Sprintf("node/%d/vpn", node) }

// vpnFields is the record of a node. All endpoints are addresses: what a name
// server takes is not what is measured.
func vpnFields(node int) map[string]any {
	public := vpnKey(node)
	if node == 1 {
		public = vpnPublicKey
	}
	return map[string]any{
		"public_key": public, "ip_address": vpnAddress(node).String(),
		"destinations": "", "endpoint": vpnEndpoint(node),
	}
}

// vpnPublicKey belongs to the private key vpnKey(0).
const vpnPublicKey = "RdIHrY5LyL+EoFpE2w9Ow7VbBR6f0KQ2dVESOFkbF2I="

// vpnKey is a number's key, the same in every run. Any 32 bytes are a key.
func vpnKey(n int) string {
	sum := sha256.Sum256([]byte("bench " + strconv.Itoa(n)))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func vpnAddress(node int) netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 10<<24|5<<16|uint32(node)) //nolint:gosec // a node's id
	return netip.AddrFrom4(a)
}

// vpnEndpoint is in 198.18.0.0/15, the range for benchmarks (RFC 2544). Every
// fourth node has none, as one behind a NAT box.
func vpnEndpoint(node int) string {
	if node%4 == 3 {
		return ""
	}
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 198<<24|18<<16|uint32(node)) //nolint:gosec // a node's id
	return netip.AddrPortFrom(netip.AddrFrom4(a), 55820).String()
}

// freshInterface gives the machine a new wg0 without peers, and the files that it
// has before the first application.
func (s *vpnStage) freshInterface(ctx context.Context) error {
	if err := s.stopEngine(); err != nil {
		return err
	}
	for _, path := range []string{vpnConf, vpnNode + "/vpn-peers", vpnNode + "/membership.json"} {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(vpnConf), 0o700); err != nil {
		return err
	}
	head := "[Interface]\nAddress = " + vpnAddress(1).String() + "/32\nListenPort = 55820\nPrivateKey = " + vpnKey(0) + "\n"
	if err := os.WriteFile(vpnConf, []byte(head), 0o600); err != nil {
		return err
	}
	if err := s.startEngine(ctx); err != nil {
		return err
	}
	err := runQuiet(ctx, "wg", "set", vpnLink, "listen-port", "55820", "private-key", "/etc/nethserver/wg0.key")
	for _, line := range []string{"address add " + vpnAddress(1).String() + "/32 dev wg0", "link set wg0 up"} {
		if err == nil {
			err = runQuiet(ctx, "ip", strings.Fields(line)...)
		}
	}
	return err
}

// startEngine makes wg0, with the engine that the agent has on a kernel without WireGuard.
func (s *vpnStage) startEngine(ctx context.Context) error {
	ready, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	// As in the background, where nobody hears of peers that do not answer,
	// but as a child of this process, which can wait for its end.
	engine := exec.CommandContext(ctx, filepath.Join(s.programs, "agent"), "wireguard-go", "--ready-fd=3", vpnLink) //nolint:gosec // the caller names the directory
	engine.ExtraFiles = []*os.File{theirs}
	if err = errors.Join(engine.Start(), theirs.Close()); err != nil {
		return errors.Join(fmt.Errorf("start engine: %w", err), ready.Close())
	}
	s.engine = engine
	said, err := io.ReadAll(ready)
	if err = errors.Join(err, ready.Close()); err == nil && !strings.HasPrefix(string(said), "ready") {
		err = fmt.Errorf("start engine: %s", said)
	}
	return err
}

func (s *vpnStage) stopEngine() error {
	if s.engine == nil {
		return nil
	}
	err := endProcess(s.engine)
	s.engine = nil
	return err
}

// endProcess asks a process to end, and waits until it has.
func endProcess(cmd *exec.Cmd) error {
	err := cmd.Process.Signal(unix.SIGTERM)
	var ended *exec.ExitError
	if failure := cmd.Wait(); failure != nil && !errors.As(failure, &ended) {
		err = errors.Join(err, failure)
	}
	return err
}

func (s *vpnStage) close() error {
	err := s.stopEngine()
	if s.client != nil {
		err = errors.Join(err, s.client.Close())
	}
	if s.redis != nil && s.redis.Process != nil {
		err = errors.Join(err, endProcess(s.redis))
	}
	return err
}
