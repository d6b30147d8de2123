package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cluster-agent/internal/host"
)

func TestForwardingNowAndAtTheNextBoot(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	setting := filepath.Join(root, "proc/sys/net/ipv4/ip_forward")
	must(t, os.MkdirAll(filepath.Dir(setting), 0o755))
	must(t, os.WriteFile(setting, []byte("0\n"), 0o600))

	for _, want := range []string{
		"created " + root + "/etc/sysctl.d/90-cluster-vpn.conf\nchanged IPv4 forwarding",
		"kept " + root + "/etc/sysctl.d/90-cluster-vpn.conf\nkept IPv4 forwarding",
	} {
		r := &run{Options: Options{Files: host.NewFiles(root)}}
		must(t, r.forwarding(t.Context()))
		if got := strings.Join(r.report.Lines(), "\n"); got != want {
			t.Errorf("report:\n%s\nwant:\n%s", got, want)
		}
	}
	now, err := os.ReadFile(setting)
	must(t, err)
	if strings.TrimSpace(string(now)) != "1" {
		t.Errorf("the setting is %q", now)
	}
}
