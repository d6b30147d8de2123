package host

import (
	"os"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

func TestEnsureKeysGenerates(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	key, private, public, err := files.EnsureKeys()
	if err != nil || private != Created || public != Created {
		t.Fatalf("%s %s %v", private, public, err)
	}
	if mode, _ := stat(t, files.PrivateKey()); mode != 0o600 {
		t.Errorf("private key has mode %v", mode)
	}
	if got := strings.TrimSpace(content(t, files.PublicKey())); got != key.PublicKey().String() {
		t.Errorf("public key %s does not fit", got)
	}
	again, private, public, err := files.EnsureKeys()
	if err != nil || again != key || private != Kept || public != Kept {
		t.Errorf("second time: %s %s %v", private, public, err)
	}
}

func TestEnsureKeysKeepsFound(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	found, err := wgtypes.GeneratePrivateKey()
	must(t, err)
	must(t, os.WriteFile(files.PrivateKey(), []byte(found.String()), 0o644))
	put(t, files.PublicKey(), "stale\n")
	key, private, public, err := files.EnsureKeys()
	if err != nil || key != found || private != Changed || public != Changed {
		t.Fatalf("%s %s %v", private, public, err)
	}
	if mode, _ := stat(t, files.PrivateKey()); mode != 0o600 || content(t, files.PrivateKey()) != found.String() {
		t.Errorf("private key has mode %v, content kept: %v", mode, content(t, files.PrivateKey()) == found.String())
	}
	if content(t, files.PublicKey()) != found.PublicKey().String()+"\n" {
		t.Error("public key does not fit")
	}
}

func TestEnsureKeysRefusesBadKey(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	put(t, files.PrivateKey(), "no key\n")
	if _, _, _, err := files.EnsureKeys(); err == nil {
		t.Error("a broken key was taken, or replaced")
	}
	if content(t, files.PrivateKey()) != "no key\n" {
		t.Error("the broken key is gone")
	}
}
