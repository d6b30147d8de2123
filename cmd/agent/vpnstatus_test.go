package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cluster-agent/internal/cli"
	"cluster-agent/vpn"
)

// TestVPNStatusWithoutCluster: clear words, and an exit code, on a machine that
// is no node yet.
func TestVPNStatusWithoutCluster(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	got := call(root, "", "vpn-status")
	got.Want(t, cli.ExitFailure, "1 problem:\n  this machine is not prepared to be a node: open "+root+
		"/var/lib/nethserver/node/state/environment: no such file or directory; run agent setup-node, then create a cluster or join one\n", "")
	m := newMachine(t)
	got = call(m.root, "", "agent", "vpn-status")
	if got.Code != cli.ExitFailure || got.Stderr != "" || !strings.HasPrefix(got.Stdout, "1 problem:\n  this node is in no cluster yet; make one with") {
		t.Errorf("%+v", got)
	}
	got = call(m.root, "", "vpn-status", "--json")
	var status vpn.Status
	must(t, json.Unmarshal([]byte(got.Stdout), &status))
	if got.Code != cli.ExitFailure || strings.Count(got.Stdout, "\n") != 1 || len(status.Problems) != 1 || status.Problems[0].Kind != vpn.ProblemNoCluster {
		t.Errorf("%+v", got)
	}
}

func TestVPNStatusWrongCalls(t *testing.T) {
	t.Parallel()
	call(t.TempDir(), "", "vpn-status", "--bogus").Want(t, cli.ExitUsage, "", "unknown flag: --bogus")
	call(t.TempDir(), "", "agent", "vpn-status", "now").Want(t, cli.ExitUsage, "", `"now"`)
}

// TestVPNStatusHelp: the shape of the JSON in the help is the one there is.
func TestVPNStatusHelp(t *testing.T) {
	t.Parallel()
	help := call(t.TempDir(), "", "vpn-status", "--help").Stdout
	status := vpn.StatusOf(vpn.Facts{})
	status.Peers, status.Problems = []vpn.PeerStatus{{}}, []vpn.Problem{{}}
	text, err := json.Marshal(status)
	must(t, err)
	decoder := json.NewDecoder(bytes.NewReader(text))
	names := 0
	for {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		// All names, and those values that are texts, none of which is empty but values.
		if name, ok := token.(string); ok && name != "" && strings.Contains(string(text), `"`+name+`":`) {
			names++
			if !strings.Contains(help, `"`+name+`"`) {
				t.Errorf("the help does not have %q", name)
			}
		}
	}
	if names < 25 {
		t.Errorf("only %d names in %s", names, text)
	}
	words := strings.FieldsFunc(help, func(r rune) bool { return strings.ContainsRune(" \n,.;", r) })
	for _, state := range []vpn.PeerState{
		vpn.PeerLocal, vpn.PeerUp, vpn.PeerStale, vpn.PeerNever, vpn.PeerMissing, vpn.PeerHub, vpn.PeerFormer, vpn.PeerForeign, vpn.PeerUnknown,
	} {
		if !slices.Contains(words, string(state)) {
			t.Errorf("the help does not have the state %s", state)
		}
	}
	for _, kind := range []vpn.ProblemKind{
		vpn.ProblemNotRoot, vpn.ProblemUnprepared, vpn.ProblemNoCluster, vpn.ProblemRemoved, vpn.ProblemUnknown,
		vpn.ProblemInterface, vpn.ProblemNoNetwork, vpn.ProblemRecord, vpn.ProblemEndpoint, vpn.ProblemHandshake,
		vpn.ProblemRoute, vpn.ProblemDifference, vpn.ProblemLeader, vpn.ProblemReplication, vpn.ProblemAgent,
	} {
		if !slices.Contains(words, string(kind)) {
			t.Errorf("the help does not have the kind %s", kind)
		}
	}
}

// looks gives one status after the other, and then ends the watch.
func looks(cancel context.CancelFunc, statuses ...vpn.Status) func(context.Context) vpn.Status {
	next := 0
	return func(context.Context) vpn.Status {
		if next == len(statuses) {
			cancel()
			return vpn.Status{Problems: []vpn.Problem{{Why: "cut off"}}}
		}
		next++
		return statuses[next-1]
	}
}

func TestWatchStatus(t *testing.T) {
	t.Parallel()
	well := vpn.StatusOf(vpn.Facts{Cluster: vpn.Cluster{}})
	well.OK, well.Problems = true, []vpn.Problem{}
	ill := vpn.Status{Problems: []vpn.Problem{{Why: "why", Do: "do"}}}
	const wellText, illText = "All is well.\n", "1 problem:\n  why; do\n"
	for _, c := range []struct {
		name     string
		show     statusPrinter
		statuses []vpn.Status
		want     string
		code     int
	}{
		{"blocks", statusPrinter{}, []vpn.Status{ill, well, well}, illText + "\n" + wellText + "\n" + wellText, 0},
		{"the last one counts", statusPrinter{}, []vpn.Status{well, ill}, wellText + "\n" + illText, 1},
		{"a terminal", statusPrinter{terminal: true}, []vpn.Status{well, well}, strings.Repeat(clearScreen+"\033[32mAll is well.\033[m\n", 2), 0},
		{"nothing known yet", statusPrinter{}, nil, "", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var out, stderr bytes.Buffer
			c.show.out = &out
			began := time.Now()
			code := cli.ExitCode(watchStatus(ctx, looks(cancel, c.statuses...), c.show), &stderr)
			if code != c.code || out.String() != c.want || stderr.Len() > 0 {
				t.Errorf("%s: exit code %d, want %d\n%q, want\n%q\n%s", c.name, code, c.code, out.String(), c.want, &stderr)
			}
			if took, want := time.Since(began), time.Duration(len(c.statuses))*statusInterval; took != want {
				t.Errorf("%s: it took %v, want %v", c.name, took, want)
			}
		})
	}
}

// TestWatchStatusAsJSON has one document a line.
func TestWatchStatusAsJSON(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var out bytes.Buffer
		status := vpn.Status{Notes: []string{"a <b> & c"}}
		err := watchStatus(ctx, looks(cancel, status, status), statusPrinter{out: &out, json: true, terminal: true})
		if !errors.Is(err, cli.ExitError(cli.ExitFailure)) {
			t.Error(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != 2 || lines[0] != lines[1] || !strings.Contains(lines[0], `"a <b> & c"`) {
			t.Errorf("%q", out.String())
		}
	})
}

// TestVPNStatusEndsWithCtrlC in a process of its own, with the code of what it
// showed last.
func TestVPNStatusEndsWithCtrlC(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{"vpn-status", "--watch"}
	cmd.Env = []string{rootVariable + "=" + m.root, "GORACE=halt_on_error=1 atexit_sleep_ms=0", "GOCOVERDIR=" + t.TempDir()}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "" { // the end of the first block, as soon as the second comes
	}
	must(t, cmd.Process.Signal(syscall.SIGINT))
	for lines.Scan() {
		if strings.Contains(lines.Text(), "cancel") {
			t.Errorf("it shows what it was kept from: %s", lines.Text())
		}
	}
	exit, ended := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ended || exit.ExitCode() != cli.ExitFailure {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
}
