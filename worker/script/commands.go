package script

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxCommand bounds a line of the command channel; a longer one is no command.
const maxCommand = 64 << 10

// steering is what commands can do; a [worker.Call] does it.
type steering interface {
	Progress(percent int) error
	SetWeight(step string, weight int) error
	FailValidation()
}

// channel obeys the commands that are written to it, one a line. What is wrong
// with a command is told to complain and never ends the reading.
type channel struct {
	call     steering
	complain func(error)
	line     []byte // what was read of a line that goes on
	tooLong  bool   // and what follows of it is not read
}

// Write implements [io.Writer]; it never fails.
func (c *channel) Write(data []byte) (int, error) {
	for rest := data; len(rest) > 0; {
		part, more, ended := bytes.Cut(rest, []byte{'\n'})
		c.add(part)
		if ended {
			c.obey(bytes.TrimSuffix(c.line, []byte{'\r'}))
		}
		rest = more
	}
	return len(data), nil
}

// end obeys the last line, which needs no newline.
func (c *channel) end() { c.obey(c.line) }

func (c *channel) add(part []byte) {
	if !c.tooLong && len(c.line)+len(part) >= maxCommand {
		c.complain(fmt.Errorf("command is longer than %d bytes", maxCommand))
		c.tooLong, c.line = true, c.line[:0]
	}
	if !c.tooLong {
		c.line = append(c.line, part...)
	}
}

func (c *channel) obey(line []byte) {
	if !c.tooLong {
		if wrong := obey(string(line), c.call); wrong != nil {
			c.complain(fmt.Errorf("command %s: %w", shown(string(line)), wrong))
		}
	}
	c.tooLong, c.line = false, c.line[:0]
}

// obey carries out one command: fields separated by one space, each of which
// may be wrapped in double quotes (RFC 4180, with a space for the comma).
//
// Spaces at the end do not count: echo "set-progress $n " is easily written.
func obey(line string, call steering) error {
	if line == "" {
		return nil
	}
	reader := csv.NewReader(strings.NewReader(strings.TrimRight(line, " ")))
	reader.Comma = ' '
	fields, err := reader.Read()
	if err != nil {
		return fmt.Errorf("split into fields: %w", err)
	}
	switch {
	case fields[0] == "set-status" && len(fields) == 2:
		return setStatus(fields[1], call)
	case fields[0] == "set-progress" && len(fields) == 2:
		percent, err := strconv.Atoi(fields[1])
		if err != nil {
			return fmt.Errorf("read progress: %w", err)
		}
		return call.Progress(percent)
	case fields[0] == "set-weight" && len(fields) == 3:
		weight, err := strconv.Atoi(fields[2])
		if err != nil {
			return fmt.Errorf("read weight: %w", err)
		}
		return call.SetWeight(fields[1], weight)
	}
	return errors.New("not one of set-status STATUS, set-progress N, set-weight STEP N")
}

func setStatus(status string, call steering) error {
	if status != "validation-failed" {
		return errors.New("only validation-failed can be set")
	}
	call.FailValidation()
	return nil
}

// mostShown keeps rubbish on the channel from flooding the log, in bytes.
const mostShown = 200

// shown is what the log may have of a line: of what is none of our commands only the first word, since
// the others may be a secret, as in set-env X_PASSWORD …, and that only if it looks like a command's name.
func shown(line string) string {
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case word == "set-status" || word == "set-progress" || word == "set-weight":
		return strconv.Quote(line[:min(len(line), mostShown)])
	case word == "" || len(word) > mostShown || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz-") != "":
		return fmt.Sprintf("of %d bytes", len(line))
	case rest == "":
		return strconv.Quote(word)
	}
	return fmt.Sprintf("%q and %d bytes more", word, len(rest))
}
