package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

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
}

// Flags that cannot be done without.
var (
	errNoAgentID    = errors.New("--agentid is missing: say who this agent is, for example --agentid=node/1")
	errNoActionsDir = errors.New("--actionsdir is missing: say where actions are, for example --actionsdir=/usr/local/agent/actions")
)

// readSettings checks flags and environment; lookup is os.Getenv. All that is
// wrong is told at once.
func readSettings(flags agentFlags, lookup func(string) string) (settings, error) {
	r := reader{lookup: lookup}
	s := settings{
		agent:      lastOf(flags.agentIDs),
		actionDirs: r.dirs(flags.actionsDirs),
		eventDirs:  r.dirs(flags.eventsDirs),
		installDir: lookup("AGENT_INSTALL_DIR"),
		stateDir:   lookup("AGENT_STATE_DIR"),
		tuning: worker.Tuning{
			PollingInterval: r.duration("AGENT_POLLING_INTERVAL", 5*time.Second),
			MaxConcurrency:  r.count("MAX_CONCURRENCY", 32),
			OutputLimit:     r.count("AGENT_OUTPUT_LIMIT", 16<<20),
			OverloadWait:    r.duration("OVERLOAD_SLEEP", 500*time.Millisecond),
		},
	}
	if s.agent == "" {
		r.wrong(errNoAgentID)
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

// dirs makes paths absolute, since the agent changes its directory, and drops
// empty ones.
func (r *reader) dirs(paths []string) []string {
	var dirs []string
	for _, path := range paths {
		if path == "" {
			continue
		}
		dir, err := filepath.Abs(path)
		if err != nil {
			r.wrong(fmt.Errorf("directory %q: %w", path, err))
			continue
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

func (r *reader) duration(name string, fallback time.Duration) time.Duration {
	text := r.lookup(name)
	if text == "" {
		return fallback
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		r.wrong(fmt.Errorf("%s=%s: %w (write for example 5s or 200ms)", name, text, err))
	case d <= 0:
		r.wrong(fmt.Errorf("%s=%s: must be longer than nothing", name, text))
	}
	return d
}

func (r *reader) count(name string, fallback int) int {
	text := r.lookup(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		r.wrong(fmt.Errorf("%s=%s: must be a whole number, at least 1", name, text))
	}
	return n
}

// servers are where tasks come from, and where events do. Events are listened
// for as the default user, who accepts any password.
func (r *reader) servers(agent string) (tasks, events redisq.Server) {
	tasks = redisq.Server{Address: r.lookup("REDIS_ADDRESS"), Name: agent, Password: r.lookup("REDIS_PASSWORD")}
	if tasks.Address == "" {
		tasks.Address = "127.0.0.1:6379"
	}
	if tasks.Password != "" {
		tasks.User = r.lookup("REDIS_USER")
		if tasks.User == "" {
			tasks.User = agent
		}
	}
	events = redisq.Server{Address: r.lookup("REDIS_REPLICA_ADDRESS"), Name: agent, User: "default", Password: agent}
	if events.Address == "" {
		events.Address = tasks.Address
	}
	return tasks, events
}
