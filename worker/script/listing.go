package script

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
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
	read, err := list(dir)
	if err != nil { // of a folder that goes while it is read there may be some entries
		return nil, unlessMissing(err)
	}
	if read.look.isSettled(l.now()) {
		l.kept.Store(dir, read)
	}
	return read.entries, nil
}

// list reads a folder. What it looked like before it was read is what the entries hold for.
func list(dir string) (read listing, err error) {
	folder, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return listing{}, err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	if read.look, err = lookOf(folder); err != nil {
		return listing{}, err
	}
	read.entries, err = folder.ReadDir(-1)
	slices.SortFunc(read.entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return read, err
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
