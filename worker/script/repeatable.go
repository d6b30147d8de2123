package script

import (
	"fmt"
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
	if names := d.names; names != nil && seen == d.look {
		return names[action], nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("read which actions may be run again: %w", err)
	}
	names := namesIn(string(text))
	d.names = nil
	if seen.mayKeep(path, d.now()) {
		d.names, d.look = names, seen
	}
	return names[action], nil
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
