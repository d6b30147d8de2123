package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// TakenError says that another process works with the journal.
type TakenError struct {
	Dir     string
	Process string // its id, as far as known
}

// Error names the other process.
func (e *TakenError) Error() string {
	return fmt.Sprintf("journal %s is in the hands of process %s", e.Dir, e.Process)
}

// takeLock takes the directory for this process, until it ends or closes the
// file; a child does not inherit it.
func takeLock(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock journal: %w", err)
	}
	if err := lockFile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return &TakenError{Dir: filepath.Dir(file.Name()), Process: holder(file.Name())}
	}
	if err != nil {
		return fmt.Errorf("lock journal: %w", err)
	}
	writeProcess(file)
	return nil
}

// writeProcess names this process, for a message of another one: a disk that is full is no
// reason not to start. As long as that one before, it needs no more space.
func writeProcess(file *os.File) {
	_, _ = fmt.Fprintf(file, "%-10d\n", os.Getpid())
}

// holder is who wrote the lock; it may not have done so yet.
func holder(path string) string {
	text, err := os.ReadFile(path)
	process := strings.TrimSpace(string(text))
	if err != nil || process == "" {
		return "(unknown)"
	}
	return process
}
