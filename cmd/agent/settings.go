package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"cluster-agent/internal/journald"
	"cluster-agent/internal/node"
	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
)

// settings is what flags and environment say, checked.
type settings struct {
	agent      string
	actionDirs []string
	eventDirs  []string
	tasks      redisq.Server
	events     redisq.Server
	tuning     worker.Tuning
	installDir string
	stateDir   string
	logLevel   logrus.Level // less urgent lines are not written
	// leaderSilence is how long a leader has to be silent before a node follows another
	// by itself; 0: it never does.
	leaderSilence time.Duration
}

// Flags that cannot be done without.
var (
	errNoAgentID    = errors.New("--agentid is missing: say who this agent is, for example --agentid=node/1")
	errNoActionsDir = errors.New("--actionsdir is missing: say where actions are, for example --actionsdir=/usr/local/agent/actions")
)

// What the numbers may be at most, and at least.
const (
	// Each beat of a task is a message to all who wait for it; a task that has not
	// been heard of for twelve intervals is forgotten.
	shortestInterval, longestInterval = 10 * time.Millisecond, time.Hour
	longestOverloadWait               = time.Hour
	// A leader that restarts is silent for some seconds.
	shortestSilence, longestSilence = 5 * time.Second, 24 * time.Hour
	// A task is at least a process and a few descriptors, of which Linux has some
	// ten thousands.
	mostConcurrency = 10_000
	// Redis takes no value beyond 512 MiB and, from one client, no 1 GiB at once:
	// both streams of a task have to fit.
	mostOutput = 256 << 20
)

// noWait is as good as not waiting; 0 would mean the engine's default.
const noWait = time.Nanosecond

// readSettings checks flags and environment; lookup is os.Getenv. All that is
// wrong is told at once.
func readSettings(flags agentFlags, lookup func(string) string) (settings, error) {
	r := reader{lookup: lookup}
	s := settings{
		agent:      lastOf(flags.agentIDs),
		actionDirs: r.dirs(flags.actionsDirs),
		eventDirs:  r.dirs(flags.eventsDirs),
		installDir: r.dir(lookup("AGENT_INSTALL_DIR")),
		stateDir:   lookup("AGENT_STATE_DIR"),
		logLevel:   r.level("AGENT_LOG_LEVEL"),

		leaderSilence: r.durationOrOff("AGENT_LEADER_SILENCE", node.DefaultLeaderSilence, shortestSilence, longestSilence),
		tuning: worker.Tuning{
			PollingInterval: r.duration("AGENT_POLLING_INTERVAL", 5*time.Second, shortestInterval, longestInterval),
			MaxConcurrency:  r.count("MAX_CONCURRENCY", 32, mostConcurrency),
			OutputLimit:     r.count("AGENT_OUTPUT_LIMIT", 16<<20, mostOutput),
			RejectWhenBusy:  flags.reject,
			OverloadWait:    max(r.duration("OVERLOAD_SLEEP", 500*time.Millisecond, 0, longestOverloadWait), noWait),
		},
	}
	if s.agent == "" {
		r.wrong(errNoAgentID)
	} else if err := checkAgentID(s.agent); err != nil {
		r.wrong(fmt.Errorf("--agentid=%s: %w", journald.OneLine(s.agent), err))
	}
	if len(s.actionDirs) == 0 {
		r.wrong(errNoActionsDir)
	}
	s.tasks, s.events = r.servers(s.agent)
	return s, errors.Join(r.errs...)
}

// lastOf is the last value of a flag that can be repeated; empty ones do not count.
func lastOf(values []string) string {
	last := ""
	for _, value := range values {
		if value != "" {
			last = value
		}
	}
	return last
}

// reader collects what is wrong with the settings.
type reader struct {
	lookup func(string) string
	errs   []error
}

func (r *reader) wrong(err error) { r.errs = append(r.errs, err) }

// wrongValue says what is wrong with the value of a variable.
func (r *reader) wrongValue(name, text, format string, args ...any) {
	r.wrong(fmt.Errorf("%s=%s: %w", name, journald.OneLine(text), fmt.Errorf(format, args...)))
}

// dirs makes paths absolute and drops empty ones.
func (r *reader) dirs(paths []string) []string {
	var dirs []string
	for _, path := range paths {
		if path != "" {
			dirs = append(dirs, r.dir(path))
		}
	}
	return dirs
}

// dir makes a path absolute, since the agent changes its directory; none stays
// none.
func (r *reader) dir(path string) string {
	if path == "" {
		return ""
	}
	dir, err := filepath.Abs(path)
	if err != nil {
		r.wrong(fmt.Errorf("directory %q: %w", path, err))
	}
	return dir
}

func (r *reader) duration(name string, fallback, shortest, longest time.Duration) time.Duration {
	text := r.lookup(name)
	if text == "" {
		return fallback
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		r.wrongValue(name, text, "%w (write for example 5s or 200ms)", err)
	case d < shortest || d > longest:
		r.wrongValue(name, text, "must be from %s to %s", shortest, longest)
	}
	return d
}

// durationOrOff is duration, or 0 for the word off.
func (r *reader) durationOrOff(name string, fallback, shortest, longest time.Duration) time.Duration {
	if r.lookup(name) == "off" {
		return 0
	}
	return r.duration(name, fallback, shortest, longest)
}

func (r *reader) count(name string, fallback, most int) int {
	text := r.lookup(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		r.wrongValue(name, text, "must be a whole number from 1 to %d", most)
	}
	return n
}

// level reads the least urgent level that is logged.
func (r *reader) level(name string) logrus.Level {
	switch text := r.lookup(name); text {
	case "debug":
		return logrus.DebugLevel
	case "", "info":
		return logrus.InfoLevel
	case "warning":
		return logrus.WarnLevel
	case "error":
		return logrus.ErrorLevel
	default:
		r.wrongValue(name, text, "must be debug, info, warning or error")
		return logrus.InfoLevel
	}
}

// address reads HOST:PORT.
func (r *reader) address(name, fallback string) string {
	text := r.lookup(name)
	if text == "" {
		return fallback
	}
	if err := checkAddress(text); err != nil {
		r.wrongValue(name, text, "%w", err)
	}
	return text
}

// servers are where tasks come from, and where events do. Events are listened
// for as the default user, who accepts any password.
func (r *reader) servers(agent string) (tasks, events redisq.Server) {
	tasks = redisq.Server{Address: r.address("REDIS_ADDRESS", "127.0.0.1:6379"), Name: agent, Password: r.lookup("REDIS_PASSWORD")}
	if tasks.Password != "" {
		tasks.User = r.lookup("REDIS_USER")
		if tasks.User == "" {
			tasks.User = agent
		}
	}
	events = redisq.Server{Address: r.address("REDIS_REPLICA_ADDRESS", tasks.Address), Name: agent, User: "default", Password: agent}
	return tasks, events
}
