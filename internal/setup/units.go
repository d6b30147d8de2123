package setup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"cluster-agent/internal/host"
)

// agentUnit runs both agents. The state directory's agent.env comes after the
// common one, so that the cluster agent can have another Redis address.
const agentUnit = `[Unit]
Description=Agent of the cluster (%i)
After=network.target wg-quick@wg0.service redis-server.service
Wants=redis-server.service

[Service]
EnvironmentFile=/etc/nethserver/agent.env
EnvironmentFile=-/var/lib/nethserver/%i/state/agent.env
Environment=AGENT_STATE_DIR=/var/lib/nethserver/%i/state
WorkingDirectory=/var/lib/nethserver/%i/state
ExecStart=/usr/local/bin/agent --agentid=${AGENT_ID} --actionsdir=/usr/local/agent/actions --actionsdir=/var/lib/nethserver/%i/actions --eventsdir=/var/lib/nethserver/%i/events
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`

// redisDropIn: Redis binds the node's VPN address too, which exists once
// wg-quick has made the interface. No Requires: a Redis without VPN still
// serves this machine.
const redisDropIn = `[Unit]
After=wg-quick@wg0.service
`

// units writes the unit files that are missing. They are written also where
// systemd does not run: a container image may be booted by it later.
func (r *run) units(ctx context.Context) error {
	changed := false
	for _, unit := range []struct{ name, text string }{
		{"agent@.service", agentUnit},
		{"redis-server.service.d/10-cluster-vpn.conf", redisDropIn},
	} {
		outcome, err := keepOrWrite(r.Files.UnitFile(unit.name), unit.text)
		if err != nil {
			return err
		}
		changed = changed || outcome.Changed()
		r.report.note(outcome, r.Files.UnitFile(unit.name))
	}
	if !changed {
		return nil
	}
	return r.Services.Reload(ctx)
}

// keepOrWrite leaves an existing file as it is, whatever it says.
func keepOrWrite(path, text string) (host.Outcome, error) {
	_, err := os.Stat(path)
	if err == nil {
		return host.Kept, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err = os.MkdirAll(filepath.Dir(path), fs.FileMode(0o755)); err != nil {
		return "", err
	}
	return host.WriteFile(path, []byte(text), host.Public())
}

// enable comes last: the agents start with everything in place.
func (r *run) enable(ctx context.Context) error {
	for _, unit := range []string{host.RedisUnit, host.ClusterAgentUnit, host.NodeAgentUnit} {
		if err := r.Services.Enable(ctx, unit); err != nil {
			return err
		}
	}
	return nil
}
