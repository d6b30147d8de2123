package script

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// repeatableFile lists actions that may be run again.
const repeatableFile = "repeatable"

// declared is what the file of a directory says, read again when it has changed.
type declared struct {
	now func() time.Time

	mu    sync.Mutex
	names map[string]bool // nil: to be read
	look  look            // with which they hold
}

// has tells whether the file in dir names an action.
func (d *declared) has(dir, action string) (bool, error) {
	path := filepath.Join(dir, repeatableFile)
	seen, kind, err := lookAt(path)
	if isMissing(err) || kind == syscall.S_IFDIR {
		return false, nil // a folder is the action of that name
	}
	if err != nil {
		return false, fmt.Errorf("look which actions may be run again: %w", err)
	}
	if kind != syscall.S_IFREG {
		return false, fmt.Errorf("read which actions may be run again: %s is no regular file", path) // a pipe would be waited for
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names != nil && seen == d.look {
		return d.names[action], nil
	}
	names, read, err := readNames(path)
	if err != nil {
		return false, fmt.Errorf("read which actions may be run again: %w", err)
	}
	d.names = nil
	if read.isSettled(d.now()) {
		d.names, d.look = names, read
	}
	return names[action], nil
}

// readNames reads a file. What it looked like before it was read is what the names hold for.
func readNames(path string) (names map[string]bool, seen look, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, look{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if seen, err = lookOf(file); err != nil {
		return nil, look{}, err
	}
	text, err := io.ReadAll(file)
	return namesIn(string(text)), seen, err
}

// namesIn reads one name a line; # begins a comment.
func namesIn(text string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "#")
		if name = strings.TrimSpace(name); name != "" {
			names[name] = true
		}
	}
	return names
}
