package vpn_test

import (
	"errors"
	"fmt"

	"cluster-agent/vpn"
)

// act does what the agent of a node that is no member any more does, or of one
// that asks again, and checks what comes of it.
func (tr *trial) act(sc scene) error {
	switch tr.deed {
	case silence:
		return tr.fallSilent(sc)
	case speak:
		if err := tr.r.Speak(tr.ctx); err != nil && !tr.helpless() {
			return fmt.Errorf("speak: %w", err)
		}
	case nothing:
	}
	return nil
}

// helpless says whether the agent lacks something that it needs for either.
func (tr *trial) helpless() bool { return tr.unreadable || tr.memory.failing == 1 || tr.dev.failed }

func (tr *trial) fallSilent(sc scene) error {
	tr.dev.failed = false
	err := tr.r.Silence(tr.ctx)
	helpless := tr.helpless()
	tr.unreadable, tr.memory.failing, tr.dev.lost = false, 0, nil
	if err != nil && !helpless {
		return fmt.Errorf("fall silent: %w", err)
	}
	if helpless {
		return nil
	}
	if file := tr.file(); file != sc.file {
		return fmt.Errorf("silence has changed the file:\n%s", file)
	}
	sends, err := tr.r.Sends(tr.ctx)
	if sends || err != nil {
		return fmt.Errorf("silent, and sends: %v, %w", sends, err)
	}
	return errors.Join(tr.checkForeign(sc), checkSilent(sc, tr.state()))
}

// checkSilent: no node's peer is spoken to, and all else is as before.
func checkSilent(sc scene, after vpn.State) error {
	var errs []error
	for _, p := range sc.state.Peers {
		q, there := after.Peer(p.Key)
		if sc.known.Has(p.Key) {
			p.Endpoint, p.Keepalive = q.Endpoint, 0
		}
		if !there || fmt.Sprint(p.AllowedIPs, p.Keepalive) != fmt.Sprint(q.AllowedIPs, q.Keepalive) || sc.known.Has(p.Key) && q.Endpoint.IsValid() {
			errs = append(errs, fmt.Errorf("silent: peer %s was %v, is %v", readable(p.Key.String()), p, q))
		}
	}
	if fmt.Sprint(sc.state.Routes) != fmt.Sprint(after.Routes) {
		errs = append(errs, fmt.Errorf("silent: routes were %v, are %v", sc.state.Routes, after.Routes))
	}
	return errors.Join(errs...)
}
