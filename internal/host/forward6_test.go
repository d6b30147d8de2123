package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// settings6 is a machine with these settings below net.ipv6.conf.
func settings6(t *testing.T, values map[string]string) Files {
	t.Helper()
	f := NewFiles(t.TempDir())
	for name, value := range values {
		path := filepath.Join(f.Root(), "proc/sys/net/ipv6/conf", name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(value+"\n"), 0o644))
	}
	return f
}

func TestForward6(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		have map[string]string
		want []string
	}{
		"a router": {
			map[string]string{"all/forwarding": "1", "wg0/force_forwarding": "0", "default/force_forwarding": "0"},
			nil,
		},
		"single interfaces": {
			map[string]string{
				"all/forwarding": "0", "default/force_forwarding": "0", "eth0/accept_ra": "1",
				"wg0/force_forwarding": "0", "br-lan.7/force_forwarding": "0", "eth0/force_forwarding": "0",
			},
			[]string{"net.ipv6.conf.wg0.force_forwarding = 1", "net.ipv6.conf.br-lan/7.force_forwarding = 1"},
		},
		"done": {
			map[string]string{
				"all/forwarding": "0", "default/force_forwarding": "0",
				"wg0/force_forwarding": "1", "br-lan.7/force_forwarding": "1",
			},
			nil,
		},
		"wg0 is away": {
			map[string]string{"all/forwarding": "0", "all/accept_ra": "1", "default/force_forwarding": "0"},
			nil,
		},
		"an old kernel": {
			map[string]string{
				"all/forwarding": "0", "all/accept_ra": "0", "default/accept_ra": "1",
				"eth0/accept_ra": "1", "eth1/accept_ra": "0", "eth2/accept_ra": "2",
			},
			[]string{
				"net.ipv6.conf.default.accept_ra = 2", "net.ipv6.conf.eth0.accept_ra = 2", "net.ipv6.conf.all.forwarding = 1",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := settings6(t, c.have)
			changed, err := f.Forward6("wg0", "br-lan.7")
			if err != nil || !slices.Equal(changed, c.want) {
				t.Errorf("changed %q, %v; want %q", changed, err, c.want)
			}
			if changed, err = f.Forward6("wg0", "br-lan.7"); err != nil || len(changed) > 0 {
				t.Errorf("again: %q, %v", changed, err)
			}
		})
	}
}

// What cannot be set is named, and forwarding not switched on before the rest is
// safe.
func TestForward6Fails(t *testing.T) {
	t.Parallel()
	if changed, err := NewFiles(t.TempDir()).Forward6("wg0"); err == nil || len(changed) > 0 || !strings.Contains(err.Error(), "net.ipv6.conf.all.forwarding = 1") {
		t.Errorf("no IPv6: %v, %v", changed, err)
	}
	f := settings6(t, map[string]string{"all/forwarding": "0", "eth0/accept_ra": "1"})
	path := filepath.Join(f.Root(), "proc/sys/net/ipv6/conf/eth1/accept_ra")
	must(t, os.MkdirAll(path, 0o755)) // cannot be read
	if _, err := f.Forward6("wg0"); err == nil || !strings.Contains(err.Error(), "eth1") {
		t.Errorf("accept_ra cannot be read: %v", err)
	}
	if on, err := f.setting6("all", "forwarding").is("0"); err != nil || !on {
		t.Errorf("forwarding is on all the same: %v", err)
	}
}
