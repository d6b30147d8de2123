package script

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// repeatableFile lists actions that may be run again.
const repeatableFile = "repeatable"

// Repeatable implements [worker.Source].
func (s *Source) Repeatable(name string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, repeatableFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read which actions may be run again: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		declared, _, _ := strings.Cut(line, "#")
		if declared = strings.TrimSpace(declared); declared != "" && declared == name {
			return true, nil
		}
	}
	return false, nil
}
