package main

import (
	"errors"
	"strconv"
	"strings"
)

// errAgentID says what agent ids there are.
var errAgentID = errors.New("must be cluster, node/N with N a whole number from 1 on, or module/NAME")

// checkAgentID refuses what is no agent id of the protocol. An agent called
// nod/1 would wait for ever, without a word, on a list that nobody knows.
//
// A NAME is whatever Redis takes for the name of a connection, printable ASCII
// without spaces, but for slashes, which separate the parts of keys and
// channels, and for what is a pattern in PSUBSCRIBE and in ACL rules.
func checkAgentID(id string) error {
	switch kind, name, _ := strings.Cut(id, "/"); {
	case strings.ContainsFunc(id, notPrintable):
		return errors.New("must be printable ASCII characters without spaces, as Redis takes no other name of a connection")
	case strings.ContainsAny(id, `*?[]\`):
		return errors.New(`must not contain any of *?[]\, which are patterns to Redis`)
	case id == clusterAgent:
		return nil
	case kind == "node" && isNodeNumber(name):
		return nil
	case kind == "module" && name != "" && !strings.Contains(name, "/"):
		return nil
	}
	return errAgentID
}

func notPrintable(r rune) bool { return r <= ' ' || r > '~' }

// isNodeNumber accepts a number in the one way that node ids are written.
func isNodeNumber(text string) bool {
	n, err := strconv.ParseUint(text, 10, 31)
	return err == nil && n > 0 && text == strconv.FormatUint(n, 10)
}
