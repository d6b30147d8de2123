package script

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Variable is one line NAME=value of an environment file.
type Variable struct{ Name, Value string }

// ReadEnvironment reads the lines NAME=value of a file; other lines are not
// looked at, and a file that is not there holds none. Values stand as they are:
// there is no quoting.
func ReadEnvironment(path string) ([]Variable, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read environment: %w", err)
	}
	return parseEnvironment(string(content)), nil
}

func parseEnvironment(content string) []Variable {
	var variables []Variable
	for line := range strings.Lines(content) {
		name, value, found := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if !found || name == "" || strings.ContainsAny(name, "# \t\x00") || strings.ContainsRune(value, 0) {
			continue
		}
		variables = append(variables, Variable{Name: name, Value: value})
	}
	return variables
}
