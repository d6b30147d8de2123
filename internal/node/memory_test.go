package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

func newMemory(t *testing.T) peerMemory {
	t.Helper()
	return peerMemory{filepath.Join(t.TempDir(), peersFile)}
}

func numbered(from, to int) vpn.Keys {
	keys := vpn.NewKeys()
	for n := from; n < to; n++ {
		keys.Add(vpntest.Key(n))
	}
	return keys
}

func TestPeerMemory(t *testing.T) {
	t.Parallel()
	p, ctx := newMemory(t), t.Context()
	if keys, err := p.known(ctx); keys != nil || err != nil {
		t.Errorf("nothing is remembered: %v, %v", keys, err)
	}
	must(t, p.remember(ctx, vpn.Keys{}))
	if keys, err := p.known(ctx); keys == nil || len(keys) > 0 || err != nil {
		t.Errorf("that there is nothing is remembered: %v, %v", keys, err)
	}
	must(t, p.remember(ctx, numbered(1, 4)))
	must(t, p.remember(ctx, numbered(3, 5)))
	keys, err := p.known(ctx)
	must(t, err)
	for n := 1; n < 5; n++ {
		if !keys.Has(vpntest.Key(n)) {
			t.Errorf("key %d is forgotten", n)
		}
	}
	info, err := os.Stat(p.path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	must(t, p.remember(ctx, numbered(3, 5)))
	again, err := os.Stat(p.path)
	must(t, err)
	if !os.SameFile(info, again) || !again.ModTime().Equal(info.ModTime()) {
		t.Error("written without need")
	}
}

// Those of nodes that are gone are not kept for ever: the oldest go.
func TestPeerMemoryIsBounded(t *testing.T) {
	t.Parallel()
	p, ctx := newMemory(t), t.Context()
	const nodes = maxGone + 20
	for n := range nodes {
		must(t, p.remember(ctx, numbered(n, n+1)))
	}
	keys, err := p.read()
	must(t, err)
	if len(keys) != maxGone+1 || keys[0] != vpntest.Key(nodes-maxGone-1) || keys[maxGone] != vpntest.Key(nodes-1) {
		t.Errorf("%d keys", len(keys))
	}
}

func TestPeerMemoryAmongRubbish(t *testing.T) {
	t.Parallel()
	p, ctx := newMemory(t), t.Context()
	text := "# a comment\n\n" + vpntest.Key(1).String() + "\r\nrubbish\n" + vpntest.Key(2).String()
	must(t, os.WriteFile(p.path, []byte(text), 0o644))
	keys, err := p.read()
	if err != nil || len(keys) != 2 || keys[0] != vpntest.Key(1) || keys[1] != vpntest.Key(2) {
		t.Errorf("%v, %v", keys, err)
	}
	must(t, p.remember(ctx, numbered(2, 3)))
	if text := read(t, p.path); strings.Count(text, "\n") != 2 || strings.Contains(text, "rubbish") {
		t.Errorf("file:\n%s", text)
	}
	must(t, os.Remove(p.path))
	must(t, os.Mkdir(p.path, 0o700))
	if _, err := p.known(ctx); err == nil || !strings.Contains(err.Error(), "peers' keys") {
		t.Errorf("a directory: %v", err)
	}
	if err := p.remember(ctx, vpn.NewKeys(wgtypes.Key{1})); err == nil {
		t.Error("a directory was written")
	}
}

// What remember finds without making the text of the file is what that would be.
func TestPeerMemorySays(t *testing.T) {
	t.Parallel()
	p := peerMemory{}
	wanted := numbered(3, 6)
	right := p.text([]wgtypes.Key{vpntest.Key(9), vpntest.Key(8)}, wanted)
	lines := strings.SplitAfter(strings.TrimSuffix(right, "\n"), "\n")
	swapped := strings.Join([]string{lines[0], lines[1], lines[3], lines[2], lines[4], "\n"}, "")
	for text, same := range map[string]bool{
		right:                                   true,
		p.text(nil, wanted):                     true,
		"":                                      false,
		swapped:                                 false,
		right + lines[0]:                        false, // one that is gone, behind
		right + lines[4] + "\n":                 false, // one twice
		p.text(nil, numbered(3, 5)):             false,
		p.text(nil, numbered(3, 7)):             false,
		strings.Replace(right, "\n", "\r\n", 1): false,
		"rubbish\n" + right:                     false,
	} {
		if says([]byte(text), wanted) != same {
			t.Errorf("%v wanted of\n%s", same, text)
		}
	}
	if !says(nil, vpn.Keys{}) {
		t.Error("an empty file says that there are none")
	}
}
