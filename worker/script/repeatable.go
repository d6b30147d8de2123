package script

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// repeatableFile lists actions that may be run again.
const repeatableFile = "repeatable"

// declared is what the file of a directory says, read again when it has changed.
type declared struct {
	mu       sync.Mutex
	size     int64
	modified time.Time
	names    map[string]bool
}

// has tells whether the file in dir names an action.
func (d *declared) has(dir, action string) (bool, error) {
	path := filepath.Join(dir, repeatableFile)
	info, err := os.Stat(path)
	if isMissing(err) || err == nil && info.IsDir() {
		return false, nil // a folder is the action of that name
	}
	if err != nil {
		return false, fmt.Errorf("look which actions may be run again: %w", err)
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("read which actions may be run again: %s is no regular file", path) // a pipe would be waited for
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names == nil || info.Size() != d.size || !info.ModTime().Equal(d.modified) {
		text, err := os.ReadFile(path)
		if err != nil {
			return false, fmt.Errorf("read which actions may be run again: %w", err)
		}
		d.names, d.size, d.modified = namesIn(string(text)), info.Size(), info.ModTime()
	}
	return d.names[action], nil
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
