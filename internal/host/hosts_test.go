package host

import (
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
)

func TestSetHostLine(t *testing.T) {
	t.Parallel()
	const leader = "cluster-leader"
	for _, test := range []struct {
		name, text, want string
	}{
		{"empty file", "", "10.5.4.1 cluster-leader\n"},
		{"appended", "127.0.0.1 localhost\n", "127.0.0.1 localhost\n10.5.4.1 cluster-leader\n"},
		{"no final newline", "127.0.0.1 localhost", "127.0.0.1 localhost\n10.5.4.1 cluster-leader\n"},
		{"replaced in place", "10.0.0.9 cluster-leader\n::1 ip6\n", "10.5.4.1 cluster-leader\n::1 ip6\n"},
		{"line that is right stays as it is", "10.5.4.1\t cluster-leader  # x\n", "10.5.4.1\t cluster-leader  # x\n"},
		{"comment of the line stays", "10.0.0.9 cluster-leader # hub\n", "10.5.4.1 cluster-leader # hub\n"},
		{"comment without space", "10.0.0.9 cluster-leader#hub\n", "10.5.4.1 cluster-leader #hub\n"},
		{"replaced without final newline", "10.0.0.9 cluster-leader", "10.5.4.1 cluster-leader"},
		{"CRLF", "127.0.0.1 localhost\r\n10.0.0.9 cluster-leader\r\n", "127.0.0.1 localhost\r\n10.5.4.1 cluster-leader\r\n"},
		{"CRLF appended", "127.0.0.1 localhost\r\n", "127.0.0.1 localhost\r\n10.5.4.1 cluster-leader\r\n"},
		{
			"among others, only the name goes", "10.0.0.9  gw\tcluster-leader  vpn # x\n",
			"10.0.0.9  gw  vpn # x\n10.5.4.1 cluster-leader\n",
		},
		{"first among others", "10.0.0.9 cluster-leader gw\n", "10.0.0.9 gw\n10.5.4.1 cluster-leader\n"},
		{"last among others, CRLF", "10.0.0.9 gw cluster-leader\r\n", "10.0.0.9 gw\r\n10.5.4.1 cluster-leader\r\n"},
		{"duplicates", "10.0.0.9 cluster-leader\na b\n10.0.0.8 cluster-leader\n", "10.5.4.1 cluster-leader\na b\n"},
		{"twice in a line", "10.0.0.9 cluster-leader cluster-leader\n", "10.5.4.1 cluster-leader\n"},
		{"other case", "10.0.0.9 Cluster-Leader\n", "10.5.4.1 cluster-leader\n"},
		{"in a comment", "# cluster-leader was 10.0.0.9\n", "# cluster-leader was 10.0.0.9\n10.5.4.1 cluster-leader\n"},
		{"commented out", "#10.0.0.9 cluster-leader\n", "#10.0.0.9 cluster-leader\n10.5.4.1 cluster-leader\n"},
		{"name inside another", "10.0.0.9 cluster-leader.lan\n", "10.0.0.9 cluster-leader.lan\n10.5.4.1 cluster-leader\n"},
		{"indented", "  10.0.0.9  gw cluster-leader\n", "  10.0.0.9  gw\n10.5.4.1 cluster-leader\n"},
		{"broken lines stay", "\n \ncluster-leader\n\n", "\n \ncluster-leader\n\n10.5.4.1 cluster-leader\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := setHostLine(test.text, leader, netip.MustParseAddr("10.5.4.1"))
			if got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			if again := setHostLine(got, leader, netip.MustParseAddr("10.5.4.1")); again != got {
				t.Errorf("second edit gives %q, first %q", again, got)
			}
		})
	}
}

// FuzzSetHostLine: after the edit the name has the address, in one line, and
// every other name has the lines it had.
func FuzzSetHostLine(f *testing.F) {
	f.Add("127.0.0.1 localhost\n10.0.0.9 gw n1 # c\r\n")
	f.Add("10.0.0.9\tn1 n1\n n1\nn1 n1 n1#x")
	f.Fuzz(func(t *testing.T, text string) {
		const name = "n1"
		addr := netip.MustParseAddr("10.5.4.1")
		edited := setHostLine(text, name, addr)
		if got, ok := lookupHost(edited, name); !ok || got != addr {
			t.Fatalf("%q: looked up %v", edited, got)
		}
		if got, want := otherNames(edited, name), otherNames(text, name); got != want {
			t.Fatalf("other names were %q, are %q", want, got)
		}
		lines := 0
		for line := range strings.Lines(edited) {
			if _, names := parseHostLine(line); holdsName(names, name) {
				lines++
			}
		}
		if lines != 1 {
			t.Fatalf("%q: %d lines", edited, lines)
		}
	})
}

func otherNames(text, name string) string {
	var out []string
	for line := range strings.Lines(text) {
		address, names := parseHostLine(line)
		for _, n := range names {
			if !strings.EqualFold(n, name) {
				out = append(out, address+" "+n)
			}
		}
	}
	return strings.Join(out, "\n")
}

func TestSetHostRefusesNoName(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	for _, name := range []string{"", "a b", "a#b", "a\n127.0.0.1 evil"} {
		if _, err := files.SetHost(t.Context(), name, netip.MustParseAddr("10.5.4.1")); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
	if _, err := files.SetHost(t.Context(), "a", netip.Addr{}); err == nil {
		t.Error("no address was taken")
	}
}

// TestSetHostInParallel: programs that change different names at once must not
// undo each other.
func TestSetHostInParallel(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	put(t, files.HostsFile(), "127.0.0.1 localhost\n")
	names := []string{"cluster-leader", "cluster-localnode", "a", "b", "c", "d"}
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			if _, err := files.SetHost(t.Context(), name, netip.AddrFrom4([4]byte{10, 5, 4, byte(i)})); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, name := range names {
		addr, ok, err := files.Host(name)
		if err != nil || !ok || addr != netip.AddrFrom4([4]byte{10, 5, 4, byte(i)}) {
			t.Errorf("%s is %v %v %v", name, addr, ok, err)
		}
	}
}

func TestHostOfMissingFile(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	if _, ok, err := files.Host("a"); ok || err != nil {
		t.Errorf("found %v, error %v", ok, err)
	}
	outcome, err := files.SetHost(t.Context(), "a", netip.MustParseAddr("::1"))
	if err != nil || outcome != Created {
		t.Fatalf("%s, %v", outcome, err)
	}
	info, err := os.Stat(files.HostsFile())
	must(t, err)
	if info.Mode() != 0o644 || content(t, files.HostsFile()) != "::1 a\n" {
		t.Errorf("mode %v, content %q", info.Mode(), content(t, files.HostsFile()))
	}
}
