package script

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// listings remember what folders hold for as long as these look the same: to list a folder anew
// before each task takes 2 to 4 % of the agent's processor time for a step that does nothing.
type listings struct {
	now  func() time.Time
	kept sync.Map // of listing, by the paths of folders
}

type listing struct {
	look    look
	entries []fs.DirEntry
}

// of lists a folder in the order of names; one that is not there is empty.
func (l *listings) of(dir string) ([]fs.DirEntry, error) {
	seen, _, err := lookAt(dir)
	if err != nil {
		l.kept.Delete(dir)
		return nil, unlessMissing(err)
	}
	if kept, ok := l.kept.Load(dir); ok {
		if kept, ok := kept.(listing); ok && kept.look == seen {
			return kept.entries, nil
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil { // of a folder that goes while it is read there may be some
		return nil, unlessMissing(err)
	}
	if seen.mayKeep(dir, l.now()) {
		l.kept.Store(dir, listing{seen, entries})
	}
	return entries, nil
}

func unlessMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}

// isMissing tells whether there is nothing at a path, or cannot be.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}
