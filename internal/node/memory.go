package node

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/internal/host"
	"cluster-agent/vpn"
)

// peersFile, in the state directory of the node agent, holds the public keys of
// the peers that this software has added to wg0, one a line: those of nodes that
// are gone first, the last removed last among them, then those of present ones,
// sorted. By it a removed node's peer is told from an administrator's, also when
// wg0.conf is lost, or was rewritten by another tool.
const peersFile = "vpn-peers"

// maxGone is how many keys of nodes that are gone are kept. Their peers have been
// removed long since; they would come back with an old copy of wg0.conf.
const maxGone = 256

// peerMemory is the file of keys.
type peerMemory struct{ path string }

func (m *Machine) peers() peerMemory {
	return peerMemory{filepath.Join(m.Files.StateDir(host.NodeAgent), peersFile)}
}

// read returns the keys in the file's order; nil if there is no file. Lines that
// are no keys are passed over.
func (p peerMemory) read() ([]wgtypes.Key, error) {
	text, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read peers' keys: %w", err)
	}
	keys := make([]wgtypes.Key, 0, len(text)/keyLine+1)
	for line := range bytes.Lines(text) {
		if key, ok := parseKey(bytes.TrimSpace(line)); ok {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// keyLine is the length of a line of the file, keyText that of a key in it.
const (
	keyText = 44
	keyLine = keyText + 1
)

// parseKey is [wgtypes.ParseKey], but for the time that a string takes.
func parseKey(text []byte) (key wgtypes.Key, ok bool) {
	if len(text) != keyText {
		return key, false
	}
	var room [wgtypes.KeyLen + 1]byte // as much as the decoder may ask for
	n, err := base64.StdEncoding.Decode(room[:], text)
	copy(key[:], room[:])
	return key, err == nil && n == wgtypes.KeyLen
}

// known is vpn.Reconciler.Known.
func (p peerMemory) known(context.Context) (vpn.Keys, error) {
	keys, err := p.read()
	if keys == nil || err != nil {
		return nil, err
	}
	return vpn.NewKeys(keys...), nil
}

// remember is vpn.Reconciler.Remember.
func (p peerMemory) remember(_ context.Context, wanted vpn.Keys) error {
	if same, err := p.holds(wanted); same || err != nil {
		return err
	}
	have, err := p.read()
	if err != nil {
		return err
	}
	text := p.text(have, wanted)
	if _, err = host.WriteFile(p.path, []byte(text), host.Secret()); err != nil {
		return fmt.Errorf("remember peers' keys: %w", err)
	}
	return nil
}

// holds tells whether the file is as it is after a run that wants these keys, without
// making that text.
func (p peerMemory) holds(wanted vpn.Keys) (bool, error) {
	info, err := os.Lstat(p.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode() != secret {
		return false, nil
	}
	text, readErr := os.ReadFile(p.path)
	if err = errors.Join(err, readErr); err != nil {
		return false, fmt.Errorf("read peers' keys: %w", err)
	}
	return says(text, wanted), nil
}

// secret is the mode of the file.
const secret = 0o600

// says tells whether a text is the file of these keys: any that are gone, and then
// exactly these, sorted.
func says(text []byte, wanted vpn.Keys) bool {
	gone, present := 0, 0
	var before []byte
	for line := range bytes.Lines(text) {
		key, ok := parseKey(bytes.TrimSuffix(line, []byte("\n")))
		switch {
		case !ok || len(line) != keyLine:
			return false
		case wanted.Has(key):
			if bytes.Compare(before, line) >= 0 {
				return false
			}
			present, before = present+1, line
		case present > 0:
			return false
		default:
			gone++
		}
	}
	return present == len(wanted) && gone <= maxGone
}

// text is the file after a run that wants these keys.
func (p peerMemory) text(have []wgtypes.Key, wanted vpn.Keys) string {
	var gone []string
	present := make([]string, 0, len(wanted))
	for _, key := range have {
		if !wanted.Has(key) {
			gone = append(gone, key.String())
		}
	}
	for key := range wanted {
		present = append(present, key.String())
	}
	slices.Sort(present)
	gone = gone[max(0, len(gone)-maxGone):]
	var text strings.Builder
	for _, line := range slices.Concat(gone, present) {
		text.WriteString(line + "\n")
	}
	return text.String()
}
