package script

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
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

// readCommands obeys the commands on a step's channel until its end. What is
// wrong with a command is told to complain and never ends the reading.
func readCommands(channel io.Reader, call steering, complain func(error)) error {
	lines := bufio.NewReaderSize(channel, maxCommand)
	for {
		line, tooLong, err := lines.ReadLine()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read command channel: %w", err)
		case tooLong:
			complain(fmt.Errorf("command is longer than %d bytes", maxCommand))
			err = skipLine(lines)
		default:
			if wrong := obey(string(line), call); wrong != nil {
				complain(fmt.Errorf("command %q: %w", clip(line), wrong))
			}
		}
		if err != nil {
			return err
		}
	}
}

// skipLine reads on to the end of a line that was too long.
func skipLine(lines *bufio.Reader) error {
	for {
		_, more, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read command channel: %w", err)
		}
		if !more {
			return nil
		}
	}
}

// obey carries out one command: fields separated by one space, each of which
// may be wrapped in double quotes (RFC 4180, with a space for the comma).
func obey(line string, call steering) error {
	if line == "" {
		return nil
	}
	reader := csv.NewReader(strings.NewReader(line))
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

// clip keeps rubbish on the channel from flooding the log.
func clip(line []byte) string {
	const most = 200
	if len(line) > most {
		return string(line[:most]) + "…"
	}
	return string(line)
}
