package main

import (
	"errors"
	"fmt"
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

// openJournal opens the first journal of the agent that no other has in its
// hands: agent-journal/node-1, else agent-journal/node-1.2, and so on.
func openJournal(agentID string, log *logrus.Entry) (*journal.Journal, error) {
	path := filepath.Join(journalDir, strings.ReplaceAll(agentID, "/", "-"))
	for n := 1; n <= mostAgents; n++ {
		numbered := path
		if n > 1 {
			numbered = fmt.Sprintf("%s.%d", path, n)
		}
		opened, warning, err := journal.Open(numbered)
		if taken, ok := errors.AsType[*journal.TakenError](err); ok {
			log.Warnf("another agent with the id %s runs: %v", agentID, taken)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("state directory: %w", err)
		}
		if warning != nil {
			log.Warnf("the journal cannot be read; tasks that were in progress are settled as if all had been started: %v", warning)
		}
		return opened, nil
	}
	return nil, fmt.Errorf("%d agents with the id %s run in this directory: end those that are too many", mostAgents, agentID)
}
