package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"cluster-agent/integration/lab"
)

// lastLines is how many lines of each log are shown.
const lastLines = 6

// lastWords are what the agents complained of last, for whoever has to find out what went
// wrong; nil when they had nothing to say.
func lastWords(c *lab.Cluster) error {
	if c == nil {
		return nil
	}
	var words []error
	for _, n := range c.Lab.Nodes {
		for _, unit := range []string{lab.ClusterAgent, lab.NodeAgent} {
			log, err := n.Service(unit).Log()
			if err != nil {
				return fmt.Errorf("log of %s: %w", unit, err)
			}
			for _, line := range complaints(log) {
				words = append(words, fmt.Errorf("node %d, %s: %s", n.ID, unit, line))
			}
		}
	}
	if len(words) == 0 {
		return nil
	}
	return fmt.Errorf("the last warnings in the logs:\n%w", errors.Join(words...))
}

// complaints are the last lines of a log of level warning or worse (sd-daemon(3)), or of none.
func complaints(log string) []string {
	harmless := regexp.MustCompile(`^(<[567]>|$)`)
	var bad []string
	for line := range strings.Lines(log) {
		if line = strings.TrimRight(line, "\n"); !harmless.MatchString(line) {
			bad = append(bad, line)
		}
	}
	return bad[max(0, len(bad)-lastLines):]
}
