package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"cluster-agent/worker/journal"
)

// journalDir is where, in the agent's working directory, the journals are.
const journalDir = "agent-journal"

// journalPath is the journal of an agent.
func journalPath(agentID string) string {
	return filepath.Join(journalDir, strings.ReplaceAll(agentID, "/", "-"))
}

const (
	journalPoll   = 100 * time.Millisecond
	journalRemind = time.Minute
)

// openJournal opens the journal of an agent. As long as another agent of that id
// works with it, it waits: that one has to end before its tasks can be settled.
// nil means that the agent was told to end meanwhile.
func openJournal(agentID string, log *logrus.Entry, drain <-chan os.Signal) (*journal.Journal, error) {
	poll, remind := time.NewTicker(journalPoll), time.NewTicker(journalRemind)
	defer poll.Stop()
	defer remind.Stop()
	for first := true; ; first = false {
		opened, err := tryJournal(agentID, log)
		taken, isTaken := errors.AsType[*journal.TakenError](err)
		if !isTaken {
			return opened, err
		}
		if first {
			log.Warnf("another agent with the id %s runs: %v; waiting until it ends", agentID, taken)
		}
		select {
		case <-poll.C:
		case <-remind.C:
			log.Warnf("still waiting until the other agent with the id %s ends: %v", agentID, taken)
		case <-drain:
			return nil, nil
		}
	}
}

func tryJournal(agentID string, log *logrus.Entry) (*journal.Journal, error) {
	opened, warning, err := journal.Open(journalPath(agentID))
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if warning != nil {
		log.Warnf("the journal cannot be read, so that tasks an earlier life has begun are settled as if all had been started: %v", warning)
	}
	return opened, nil
}
