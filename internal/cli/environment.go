package cli

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/sirupsen/logrus"

	"cluster-agent/internal/host"
	"cluster-agent/internal/node"
)

// Environment is what a program has of the process and the machine around it.
type Environment struct {
	Root           string // below which the machine's files are; "/" but in tests
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// ProcessEnvironment is that of this process, on the machine whose files are
// below root.
func ProcessEnvironment(root string) Environment {
	return Environment{Root: root, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// Files are the machine's.
func (e *Environment) Files() host.Files { return host.NewFiles(e.Root) }

// Machine returns this machine, as it is found.
func (e *Environment) Machine(log *logrus.Entry) (*node.Machine, error) {
	files, runner := e.Files(), host.Exec{}
	manager, err := host.DetectManager(files, runner)
	if err != nil {
		return nil, fmt.Errorf("find the service manager: %w", err)
	}
	return &node.Machine{
		Files: files, Manager: manager, Runner: runner,
		Resolver: net.DefaultResolver, Log: log,
	}, nil
}

// PlainLogger writes lines for a person at a terminal, to Stderr: the messages
// of level information and above, alone.
func (e *Environment) PlainLogger() *logrus.Entry {
	plain := logrus.New()
	plain.SetOutput(e.Stderr)
	plain.SetFormatter(plainFormatter{})
	return logrus.NewEntry(plain)
}

// plainFormatter writes the message alone.
type plainFormatter struct{}

// Format implements [logrus.Formatter].
func (plainFormatter) Format(entry *logrus.Entry) ([]byte, error) {
	return []byte(entry.Message + "\n"), nil
}

// PrintLines prints each line with its end; none are nothing.
func PrintLines(out io.Writer, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}
