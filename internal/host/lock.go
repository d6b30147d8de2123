package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockPoll is how often a taken lock is tried again: flock(2) that waits cannot
// be interrupted by a context.
const lockPoll = 10 * time.Millisecond

// Lock takes the machine-wide lock of that name, waiting for other processes
// and goroutines until ctx ends, and returns what gives it back. It is for
// files that are read, changed and replaced by several programs: cluster agent,
// node agent, commands.
func (f Files) Lock(ctx context.Context, name string) (unlock func() error, err error) {
	path := f.lockFile(name)
	if err = os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	if err = waitLock(ctx, file); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), file.Close())
	}
	// Closing the only descriptor of the open file releases its lock.
	return file.Close, nil
}

func waitLock(ctx context.Context, file *os.File) error {
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// locked runs change while it holds the lock of that name.
func (f Files) locked(ctx context.Context, name string, change func() error) (err error) {
	unlock, err := f.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return change()
}
