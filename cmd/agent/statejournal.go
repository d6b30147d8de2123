package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"

	"cluster-agent/worker/journal"
)

// journalDir is where, in the agent's working directory, the journals are.
const journalDir = "agent-journal"

// mostAgents is how many agents of one id find a journal in one directory. One is
// enough; a second runs while the first is still being drained, or by mistake.
const mostAgents = 8

// openJournal opens a journal of the agent that no other has in its hands:
// agent-journal/node-1, agent-journal/node-1.2, and so on. One that an earlier life
// has left something in comes first: nobody else would settle that.
func openJournal(agentID string, log *logrus.Entry) (*journal.Journal, error) {
	var chosen *journal.Journal
	path := filepath.Join(journalDir, strings.ReplaceAll(agentID, "/", "-"))
	for n := 1; n <= mostAgents && (chosen == nil || len(chosen.Left()) == 0); n++ {
		numbered := path
		if n > 1 {
			numbered = fmt.Sprintf("%s.%d", path, n)
		}
		if _, err := os.Stat(numbered); err != nil && chosen != nil {
			break // there are no more
		}
		opened, err := tryJournal(numbered, agentID, log)
		if err == nil && opened != nil {
			chosen, opened = prefer(chosen, opened)
		}
		if opened != nil {
			err = opened.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("state directory: %w", err)
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("%d agents with the id %s run in this directory: end those that are too many", mostAgents, agentID)
	}
	return chosen, nil
}

// prefer picks the first of two journals, unless something is left in the other alone.
func prefer(first, other *journal.Journal) (chosen, rest *journal.Journal) {
	if first == nil || len(first.Left()) == 0 && len(other.Left()) > 0 {
		return other, first
	}
	return first, other
}

// tryJournal opens a journal; nil if another agent has it.
func tryJournal(path, agentID string, log *logrus.Entry) (*journal.Journal, error) {
	opened, warning, err := journal.Open(path)
	if taken, ok := errors.AsType[*journal.TakenError](err); ok {
		log.Warnf("another agent with the id %s runs: %v", agentID, taken)
		return nil, nil
	}
	if warning != nil {
		log.Warnf("journal: %s", strings.ReplaceAll(warning.Error(), "\n", "; "))
	}
	return opened, err
}
