package redistest

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Command is one command as the server saw it, in order.
type Command struct {
	Client string // address of the one who sent it
	Words  []string
}

// Monitor reads, through MONITOR, what all clients send to a server.
type Monitor struct {
	t          *testing.T
	connection net.Conn
	lines      *bufio.Reader
}

// Monitor starts reading; commands sent from now on are seen.
func (s *Server) Monitor(t *testing.T) *Monitor {
	t.Helper()
	connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Address)
	if err != nil {
		t.Fatalf("connect for MONITOR: %v", err)
	}
	t.Cleanup(func() {
		if err := connection.Close(); err != nil {
			t.Errorf("close MONITOR: %v", err)
		}
	})
	m := &Monitor{t: t, connection: connection, lines: bufio.NewReader(connection)}
	login := ""
	if s.user() != "" {
		login = "AUTH admin admin\r\n"
	}
	if _, err := fmt.Fprint(connection, login+"MONITOR\r\n"); err != nil {
		t.Fatalf("ask for MONITOR: %v", err)
	}
	for range strings.Count(login, "\n") + 1 {
		if answer := m.line(time.Now().Add(startTime)); answer != "+OK" {
			t.Fatalf("MONITOR answered %q", answer)
		}
	}
	return m
}

// Until returns the commands up to the first one that last accepts, included.
// Commands that the server refuses are not seen.
func (m *Monitor) Until(last func(Command) bool) []Command {
	m.t.Helper()
	var seen []Command
	deadline := time.Now().Add(startTime)
	for {
		command := m.parse(m.line(deadline))
		seen = append(seen, command)
		if last(command) {
			return seen
		}
	}
}

func (m *Monitor) line(deadline time.Time) string {
	m.t.Helper()
	if err := m.connection.SetReadDeadline(deadline); err != nil {
		m.t.Fatalf("bound the wait for MONITOR: %v", err)
	}
	line, err := m.lines.ReadString('\n')
	if err != nil {
		m.t.Fatalf("read MONITOR: %v (after %q)", err, line)
	}
	return strings.TrimRight(line, "\r\n")
}

// parse reads a line such as: +1700000000.1 [0 127.0.0.1:4242] "set" "k" "v".
// Words are quoted as Go quotes them.
func (m *Monitor) parse(line string) Command {
	m.t.Helper()
	head, rest, found := strings.Cut(line, "] ")
	if !found {
		m.t.Fatalf("MONITOR line %q has no command", line)
	}
	command := Command{Client: head[strings.LastIndexByte(head, ' ')+1:]}
	for rest != "" {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			m.t.Fatalf("MONITOR line %q: %v", line, err)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			m.t.Fatalf("MONITOR line %q: %v", line, err)
		}
		command.Words = append(command.Words, word)
		rest = strings.TrimPrefix(rest[len(quoted):], " ")
	}
	return command
}
