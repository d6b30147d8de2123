package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
)

// keepRole makes the local Redis come up in its present role again. After a switch
// that this node's agent has missed, the configuration on disk still names the master
// of before: a power cut would undo the switch here, and nobody would lead.
func (m *Machine) keepRole(ctx context.Context, s *session) error {
	role, err := s.readRole(ctx)
	if err != nil {
		return err
	}
	path, err := s.ConfigFile(ctx)
	if err != nil || path == "" {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration of Redis: %w", err)
	}
	onDisk := masterIn(string(text))
	if onDisk == role.Source {
		return nil
	}
	if err := s.Remember(ctx); err != nil {
		return err
	}
	m.Log.Infof("%s says now that Redis %s: it said that it %s", path, inWords(role.Source), inWords(onDisk))
	if role.Master {
		return m.beginSave(ctx, s.Store)
	}
	return nil
}

// masterIn finds whom a configuration makes Redis follow, as host:port; empty for a
// master. The last directive counts; slaveof is the name it had before Redis 5.
func masterIn(conf string) string {
	master := ""
	for line := range strings.Lines(conf) {
		words := strings.Fields(line)
		if len(words) != 3 || !strings.EqualFold(words[0], "replicaof") && !strings.EqualFold(words[0], "slaveof") {
			continue
		}
		master = net.JoinHostPort(words[1], words[2])
		if strings.EqualFold(words[1], "no") && strings.EqualFold(words[2], "one") {
			master = ""
		}
	}
	return master
}

func inWords(master string) string {
	if master == "" {
		return "is a master"
	}
	return "follows " + master
}
