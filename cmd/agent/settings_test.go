package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"cluster-agent/internal/cli"
	"cluster-agent/worker/redisq"
)

// goodFlags are those that cannot be done without.
func goodFlags() agentFlags {
	return agentFlags{agentIDs: []string{"node/1"}, actionsDirs: []string{"/actions"}}
}

// lookup is an environment.
func lookup(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func TestDefaultSettings(t *testing.T) {
	t.Parallel()
	s, err := readSettings(goodFlags(), lookup(nil))
	must(t, err)
	if s.tuning.PollingInterval != 5*time.Second || s.tuning.MaxConcurrency != 32 || s.tuning.OverloadWait != 500*time.Millisecond || s.tuning.OutputLimit != 16<<20 {
		t.Errorf("tuning %+v", s.tuning)
	}
	wantServers(t, s,
		redisq.Server{Address: "127.0.0.1:6379", Name: "node/1"},
		redisq.Server{Address: "127.0.0.1:6379", Name: "node/1", User: "default", Password: "node/1"})
	if s.logLevel != logrus.InfoLevel {
		t.Errorf("log level %v", s.logLevel)
	}
	if s.agent != "node/1" || s.stateDir != "" || s.installDir != "" || len(s.eventDirs) != 0 {
		t.Errorf("%+v", s)
	}
}

func wantServers(t *testing.T, s settings, tasks, events redisq.Server) {
	t.Helper()
	if got := s.tasks; got.Address != tasks.Address || got.User != tasks.User || got.Password != tasks.Password || got.Name != tasks.Name {
		t.Errorf("tasks from %+v, want %+v", got, tasks)
	}
	if got := s.events; got.Address != events.Address || got.User != events.User || got.Password != events.Password || got.Name != events.Name {
		t.Errorf("events from %+v, want %+v", got, events)
	}
}

func TestSettingsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	variables := map[string]string{
		"AGENT_POLLING_INTERVAL": "250ms", "MAX_CONCURRENCY": "1", "OVERLOAD_SLEEP": "1m",
		"REDIS_ADDRESS": "cluster-leader:6379", "REDIS_REPLICA_ADDRESS": "[::1]:6379", "REDIS_PASSWORD": "p",
		"AGENT_STATE_DIR": "/state", "AGENT_INSTALL_DIR": "/install",
	}
	s, err := readSettings(goodFlags(), lookup(variables))
	must(t, err)
	if s.tuning.PollingInterval != 250*time.Millisecond || s.tuning.MaxConcurrency != 1 || s.tuning.OverloadWait != time.Minute {
		t.Errorf("tuning %+v", s.tuning)
	}
	tasks := redisq.Server{Address: "cluster-leader:6379", Name: "node/1", User: "node/1", Password: "p"}
	events := redisq.Server{Address: "[::1]:6379", Name: "node/1", User: "default", Password: "node/1"}
	wantServers(t, s, tasks, events)
	if s.stateDir != "/state" || s.installDir != "/install" {
		t.Errorf("%+v", s)
	}

	variables["REDIS_USER"] = "another"
	delete(variables, "REDIS_REPLICA_ADDRESS")
	s, err = readSettings(goodFlags(), lookup(variables))
	must(t, err)
	tasks.User, events.Address = "another", tasks.Address
	wantServers(t, s, tasks, events)

	delete(variables, "REDIS_PASSWORD") // nobody to log in as
	s, err = readSettings(goodFlags(), lookup(variables))
	must(t, err)
	tasks.User, tasks.Password = "", ""
	wantServers(t, s, tasks, events)
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for name, texts := range map[string][]string{
		"AGENT_POLLING_INTERVAL": {"5000", "soon", "0s", "-1s", "1ns", "9999h", "5s "},
		"OVERLOAD_SLEEP":         {"bad", "1", "-500ms", "9999h"},
		"MAX_CONCURRENCY":        {"x", "0", "-1", "1.5", "10001", "99999999999999999999"},
		"AGENT_OUTPUT_LIMIT":     {"16M", "0", "268435457"},
		"AGENT_LOG_LEVEL":        {"loud", "INFO", "warn", "4"},
		"REDIS_ADDRESS":          {"localhost", "::1:6379", "localhost:redis"},
		"REDIS_REPLICA_ADDRESS":  {"127.0.0.1", "[::1]", "localhost:0"},
	} {
		for _, text := range texts {
			_, err := readSettings(goodFlags(), lookup(map[string]string{name: text}))
			if err == nil || !strings.HasPrefix(err.Error(), name+"="+text+": ") {
				t.Errorf("%s=%s: %v", name, text, err)
			}
		}
	}
}

// TestBadSettingsAreToldAtOnce, each on a line of its own, whatever it holds.
func TestBadSettingsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := readSettings(agentFlags{agentIDs: []string{"a\nb"}}, lookup(map[string]string{
		"AGENT_POLLING_INTERVAL": "5000", "MAX_CONCURRENCY": "x", "OVERLOAD_SLEEP": "1\n2",
		"REDIS_ADDRESS": "a\nb:1", "REDIS_REPLICA_ADDRESS": "c", "AGENT_OUTPUT_LIMIT": "0", "AGENT_LOG_LEVEL": "x",
	}))
	if err == nil || strings.Count(err.Error(), "\n") != 8 {
		t.Fatalf("got %v", err)
	}
	for _, name := range []string{"--agentid", "--actionsdir", "AGENT_POLLING_INTERVAL", "MAX_CONCURRENCY", "OVERLOAD_SLEEP", "REDIS_ADDRESS", "REDIS_REPLICA_ADDRESS", "AGENT_OUTPUT_LIMIT", "AGENT_LOG_LEVEL"} {
		if !strings.Contains("\n"+err.Error(), "\n"+name) {
			t.Errorf("nothing is said of %s", name)
		}
	}
}

// TestLimitsOfSettings: what is just good.
func TestLimitsOfSettings(t *testing.T) {
	t.Parallel()
	s, err := readSettings(goodFlags(), lookup(map[string]string{
		"AGENT_POLLING_INTERVAL": "10ms", "OVERLOAD_SLEEP": "0s", "MAX_CONCURRENCY": "10000", "AGENT_OUTPUT_LIMIT": "268435456",
	}))
	must(t, err)
	// The engine takes 0 for its default.
	if s.tuning.OverloadWait <= 0 || s.tuning.OverloadWait > time.Microsecond {
		t.Errorf("OVERLOAD_SLEEP=0s: %d ns", s.tuning.OverloadWait)
	}
	if s.tuning.PollingInterval != 10*time.Millisecond || s.tuning.MaxConcurrency != 10000 || s.tuning.OutputLimit != 256<<20 {
		t.Errorf("tuning %+v", s.tuning)
	}
}

// TestHelpNamesAllSettings: an agent reads no variable that its help does not tell of.
func TestHelpNamesAllSettings(t *testing.T) {
	t.Parallel()
	read := map[string]bool{}
	variables := map[string]string{"REDIS_PASSWORD": "p"}
	lookup := func(name string) string { read[name] = true; return variables[name] }
	_, err := readSettings(goodFlags(), lookup)
	must(t, err)
	coreVersion(lookup)
	if len(read) < 12 {
		t.Errorf("only %v were read", read)
	}
	for name := range read {
		if !strings.Contains(agentHelp, "\n  "+name+" ") {
			t.Errorf("the help does not tell of %s", name)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	must(t, err)
	for _, c := range []struct {
		argv            []string
		id              string
		actions, events []string
	}{
		{[]string{"--agentid=cluster", "--actionsdir=/x"}, "cluster", []string{"/x"}, nil},
		{[]string{"--agentid", "cluster", "--actionsdir", "/x"}, "cluster", []string{"/x"}, nil},
		{
			[]string{"--actionsdir=/y", "--agentid=cluster", "--actionsdir", "/x", "--eventsdir=/e", "--eventsdir", "/d"},
			"cluster",
			[]string{"/y", "/x"},
			[]string{"/e", "/d"},
		},
		{[]string{"--agentid=cluster", "--actionsdir=", "--actionsdir=/x", "--eventsdir="}, "cluster", []string{"/x"}, nil},
		{[]string{"--agentid", "cluster", "--actionsdir", "", "--actionsdir", "/x", "--eventsdir", ""}, "cluster", []string{"/x"}, nil},
		{[]string{"--agentid=cluster", "--agentid=", "--actionsdir=/x"}, "cluster", []string{"/x"}, nil},
		{[]string{"--agentid=a b", "--agentid=node/1", "--actionsdir=/x"}, "node/1", []string{"/x"}, nil},
		{[]string{"--agentid=cluster", "--actionsdir=x,y"}, "cluster", []string{filepath.Join(here, "x,y")}, nil},
	} {
		command := agentCommand(&environment{})
		must(t, command.ParseFlags(c.argv))
		flags := agentFlags{}
		for name, values := range map[string]*[]string{"agentid": &flags.agentIDs, "actionsdir": &flags.actionsDirs, "eventsdir": &flags.eventsDirs} {
			flag, ok := command.Flags().Lookup(name).Value.(list)
			if !ok {
				t.Fatalf("--%s cannot be repeated", name)
			}
			*values = flag.GetSlice()
		}
		s, err := readSettings(flags, lookup(nil))
		if err != nil || s.agent != c.id || !slices.Equal(s.actionDirs, c.actions) || !slices.Equal(s.eventDirs, c.events) {
			t.Errorf("%v: %q %v %v, %v", c.argv, s.agent, s.actionDirs, s.eventDirs, err)
		}
	}
}

// TestAgentThatCannotStart logs why at level emergency and exits 1.
func TestAgentThatCannotStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		variable string
		argv     []string
		want     []string // of the lines
	}{
		{"", []string{"agent"}, []string{"--agentid is missing", "--actionsdir is missing"}},
		{"", []string{"agent", "--actionsdir=/x"}, []string{"--agentid is missing"}},
		{"", []string{"agent", "--agentid=node/1"}, []string{"--actionsdir is missing"}},
		{"", []string{"agent", "--agentid=node/1", "--actionsdir="}, []string{"--actionsdir is missing"}},
		{"", []string{"agent", "--agentid=", "--actionsdir=/x"}, []string{"--agentid is missing"}},
		{
			"AGENT_POLLING_INTERVAL=5000",
			[]string{"agent", "--agentid=node/1", "--actionsdir=/x"},
			[]string{`AGENT_POLLING_INTERVAL=5000: time: missing unit in duration "5000"`},
		},
		{"MAX_CONCURRENCY=x", []string{"agent", "--agentid=node/1", "--actionsdir=/x"}, []string{"MAX_CONCURRENCY=x: must be"}},
		{"AGENT_STATE_DIR=/no/such", []string{"agent", "--agentid=node/1", "--actionsdir=/x"}, []string{"AGENT_STATE_DIR=/no/such: "}},
		{
			"AGENT_STATE_DIR=/no/such",
			[]string{"agent", "--agentid=node", "--actionsdir="},
			[]string{"--agentid=node: must be cluster, node/N", "--actionsdir is missing", "AGENT_STATE_DIR=/no/such: "},
		},
	} {
		got := start(t, t.TempDir(), []string{c.variable}, c.argv...).said()
		lines := strings.Split(strings.TrimSuffix(got.Stderr, "\n"), "\n")
		if got.Code != cli.ExitFailure || got.Stdout != "" || len(lines) != len(c.want) {
			t.Errorf("%s %v: %+v", c.variable, c.argv, got)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(lines[i], "<0>") || !strings.Contains(lines[i], want) {
				t.Errorf("%s %v: line %q, want %q", c.variable, c.argv, lines[i], want)
			}
		}
	}
}
