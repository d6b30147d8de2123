package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Keys reads the node's WireGuard private key; its public one follows from it.
// A missing key is an error that wraps fs.ErrNotExist.
func (f Files) Keys() (wgtypes.Key, error) {
	text, err := os.ReadFile(f.PrivateKey())
	if err != nil {
		return wgtypes.Key{}, fmt.Errorf("read WireGuard key: %w", err)
	}
	key, err := wgtypes.ParseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return wgtypes.Key{}, fmt.Errorf("read WireGuard key %s: %w", f.PrivateKey(), err)
	}
	return key, nil
}

// EnsureKeys generates the private key if there is none, and writes the public
// one so that it fits. It returns the private key and what became of both files.
func (f Files) EnsureKeys() (key wgtypes.Key, private, public Outcome, err error) {
	key, err = f.Keys()
	if errors.Is(err, fs.ErrNotExist) {
		key, err = wgtypes.GeneratePrivateKey()
	}
	if err != nil {
		return wgtypes.Key{}, "", "", fmt.Errorf("ensure WireGuard keys: %w", err)
	}
	private, err = f.keepKey(key)
	if err == nil {
		public, err = WriteFile(f.PublicKey(), []byte(key.PublicKey().String()+"\n"), Public())
	}
	if err != nil {
		return wgtypes.Key{}, "", "", fmt.Errorf("ensure WireGuard keys: %w", err)
	}
	return key, private, public, nil
}

// keepKey writes the key if it is new. An existing file keeps its bytes, also
// where it lacks a newline, but not a mode that lets others read it.
func (f Files) keepKey(key wgtypes.Key) (Outcome, error) {
	text, err := os.ReadFile(f.PrivateKey())
	if errors.Is(err, fs.ErrNotExist) {
		text, err = []byte(key.String()+"\n"), nil
	}
	if err != nil {
		return "", err
	}
	return WriteFile(f.PrivateKey(), text, Secret())
}
