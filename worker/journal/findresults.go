package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// unreadablePrefix marks a result that could not be read: it is put aside, for
// somebody who wants to know what it was, and its task is settled without it.
const unreadablePrefix = "unreadable-"

// mostUnreadable is how many of them are there at once.
const mostUnreadable = 8

// findResults notes which results an earlier life has kept, also those of tasks
// that the log has lost. It tells which could not be read.
func (j *Journal) findResults() (unreadable, err error) {
	if err = j.removeTemporary(); err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(j.dir, resultPrefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("look for results that were kept: %w", err)
	}
	var warnings []error
	for _, path := range paths {
		warning, failure := j.findResult(path)
		if failure != nil {
			return nil, failure
		}
		warnings = append(warnings, warning)
	}
	if unreadable = errors.Join(warnings...); unreadable != nil {
		err = j.removeUnreadable()
	}
	return unreadable, err
}

// removeTemporary removes what a life was writing when it was killed.
func (j *Journal) removeTemporary() error {
	paths, err := filepath.Glob(filepath.Join(j.dir, temporaryPrefix+resultPrefix+"*"))
	for _, path := range paths {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return fmt.Errorf("remove unfinished results: %w", err)
	}
	return nil
}

// findResult notes a result, or puts it aside.
func (j *Journal) findResult(path string) (warning, err error) {
	found, unreadable := readResult(path)
	if unreadable != nil {
		aside := filepath.Join(j.dir, unreadablePrefix+filepath.Base(path))
		if err = os.Rename(path, aside); err != nil {
			return nil, fmt.Errorf("put result aside: %w", err)
		}
		return fmt.Errorf("%w (put aside as %s)", unreadable, aside), nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look at result that was kept: %w", err)
	}
	key := strings.TrimPrefix(filepath.Base(path), resultPrefix)
	e := j.entries[key]
	if e == nil {
		e = &entry{id: found.ID, action: found.Action, begun: 1, left: 1}
		j.entries[key] = e
	}
	e.result = info.Size()
	j.kept += e.result
	return nil, nil
}

// removeUnreadable removes the oldest of too many.
func (j *Journal) removeUnreadable() error {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return fmt.Errorf("look for unreadable results: %w", err)
	}
	var files []fs.FileInfo
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), unreadablePrefix) {
			continue
		}
		info, failure := entry.Info()
		if failure != nil {
			return fmt.Errorf("look at an unreadable result: %w", failure)
		}
		files = append(files, info)
	}
	slices.SortStableFunc(files, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, file := range files[min(len(files), mostUnreadable):] {
		err = errors.Join(err, os.Remove(filepath.Join(j.dir, file.Name())))
	}
	return err
}
