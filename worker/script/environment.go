package script

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
)

// Variable is one line NAME=value of an environment file.
type Variable struct{ Name, Value string }

// ReadEnvironment reads the lines NAME=value of a file; other lines are not
// looked at, and a file that is not there holds none. Values stand as they are:
// there is no quoting.
func ReadEnvironment(path string) ([]Variable, error) {
	content, err := readEnvironment(path)
	return parseEnvironment(string(content)), err
}

// readEnvironment reads a file that need not be there.
func readEnvironment(path string) ([]byte, error) {
	content, err := readFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read environment: %w", err)
	}
	return content, nil
}

// readFile is [os.ReadFile] at half the price, for a file that is read before
// each step: package os asks the poller whether it can watch the file, which it
// cannot, and gives it a finalizer.
func readFile(path string) (content []byte, err error) {
	fd, err := again(func() (int, error) { return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { err = errors.Join(err, syscall.Close(fd)) }()
	for {
		if len(content) == cap(content) {
			content = slices.Grow(content, max(len(content), 1<<10))
		}
		n, err := again(func() (int, error) { return syscall.Read(fd, content[len(content):cap(content)]) })
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return content, nil
		}
		content = content[:len(content)+n]
	}
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
