package lab

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestParseEnv(t *testing.T) {
	t.Parallel()
	got, err := parseEnv("# comment\n\n; another\nAGENT_ID=node/1\nREDIS_PASSWORD=\"a=b c\"\nEMPTY=\n X = 'y' \n")
	want := []string{"AGENT_ID=node/1", "REDIS_PASSWORD=a=b c", "EMPTY=", "X=y"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := parseEnv("no assignment\n"); err == nil {
		t.Error("accepted a line without =")
	}
	if got := lookupEnv([]string{"A=1", "B=2", "A=3"}, "A"); got != "3" {
		t.Errorf("the last of two values is %q", got)
	}
}

func TestNodeSettings(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	got, err := nodeSettings(fstest.MapFS{
		"etc/sysctl.d/90-b.conf":           file("net.ipv4.ip_forward = 1\n"),
		"etc/sysctl.d/10-a.conf":           file("# net.x = 1\n-net.maybe=2\nkernel.panic=1\n"),
		"usr/local/lib/sysctl.d/10-a.conf": file("net.replaced=1\n"),
		"etc/sysctl.d/README":              file("net.none=1\n"),
	})
	want := []string{"-net.maybe=2", "net.ipv4.ip_forward = 1"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestParseRole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer []any
		want   Role
		bad    bool
	}{
		"master":  {[]any{"master", int64(9), []any{[]any{"10.5.4.2", "6379", "9"}}}, Role{Master: true, Replicas: []string{"10.5.4.2"}}, false},
		"alone":   {[]any{"master", int64(9), []any{}}, Role{Master: true}, false},
		"replica": {[]any{"slave", "10.5.4.1", int64(6379), "connected", int64(9)}, Role{Host: "10.5.4.1", State: "connected"}, false},
		"other":   {[]any{"sentinel", []any{}}, Role{}, true},
		"empty":   {nil, Role{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseRole(test.answer)
			if diff := cmp.Diff(test.want, got); diff != "" || (err != nil) != test.bad {
				t.Errorf("%s, %v", diff, err)
			}
		})
	}
}

func TestReadHosts(t *testing.T) {
	t.Parallel()
	v := View{Hosts: map[string]string{}}
	v.readHosts("127.0.0.1 localhost\n10.5.4.1 cluster-leader # x cluster-localnode\n# 1.1.1.1 cluster-leader\n\n" +
		"10.5.4.2\tother cluster-localnode\n10.5.4.9 cluster-leader\n")
	want := map[string]string{"cluster-leader": "10.5.4.1 10.5.4.9", "cluster-localnode": "10.5.4.2"}
	if diff := cmp.Diff(want, v.Hosts); diff != "" {
		t.Error(diff)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	c := &Cluster{Network: DefaultNetwork()}
	for _, test := range []struct {
		node                int
		four, six, insideIt string
	}{
		{1, "203.0.113.1", "2001:db8:1::1", "10.5.4.1"},
		{12, "203.0.113.12", "2001:db8:1::12", "10.5.4.12"},
		{123, "203.0.113.123", "2001:db8:1::123", "10.5.4.123"},
	} {
		got := []string{Address4(test.node).String(), Address6(test.node).String(), c.VPNAddress(test.node).String()}
		if want := []string{test.four, test.six, test.insideIt}; !slices.Equal(got, want) {
			t.Errorf("node %d: %q, want %q", test.node, got, want)
		}
	}
}

// The example of RFC 1071, section 3.
func TestChecksum(t *testing.T) {
	t.Parallel()
	if got := checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Errorf("%#x", got)
	}
}
