package host

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
)

func TestOpenFirewall(t *testing.T) {
	t.Parallel()
	golden := strings.Join([]string{
		"firewall-cmd --state",
		"firewall-cmd --permanent --add-port=55820/udp",
		"firewall-cmd --add-port=55820/udp",
		"firewall-cmd --permanent --zone=trusted --add-source=10.5.4.0/24",
		"firewall-cmd --zone=trusted --add-source=10.5.4.0/24",
	}, "\n")
	run := &fakeRunner{t: t, known: map[string]error{}}
	for line := range strings.SplitSeq(golden, "\n") {
		run.known[line] = nil
	}
	said, err := OpenFirewall(t.Context(), run, WireGuardPort, netip.MustParsePrefix("10.5.4.0/24"))
	if err != nil || said != "firewalld: port 55820/udp is open, network 10.5.4.0/24 is trusted" {
		t.Errorf("%q, %v", said, err)
	}
	if run.lines() != golden {
		t.Errorf("ran:\n%s", run.lines())
	}
}

func TestOpenFirewallWithoutFirewalld(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]error{
		"not installed": exec.ErrNotFound,
		"not running":   &exec.ExitError{},
	} {
		run := &fakeRunner{t: t, known: map[string]error{"firewall-cmd --state": state}}
		said, err := OpenFirewall(t.Context(), run, WireGuardPort, netip.MustParsePrefix("10.5.4.0/24"))
		if err != nil || said != "firewalld does not run: no port was opened" {
			t.Errorf("%s: %q, %v", name, said, err)
		}
	}
}

func TestOpenFirewallFails(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"firewall-cmd --state", "firewall-cmd --permanent --add-port=55820/udp"} {
		run := &fakeRunner{t: t, known: map[string]error{"firewall-cmd --state": nil}}
		run.known[at] = context.DeadlineExceeded
		_, err := OpenFirewall(t.Context(), run, WireGuardPort, netip.MustParsePrefix("10.5.4.0/24"))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", at, err)
		}
	}
}
