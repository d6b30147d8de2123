package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// disk makes what was written survive a failure of the power. Tests have one of
// their own, which knows what would be lost.
type disk interface {
	// syncFile is for the content of a file, and its size.
	syncFile(file *os.File) error
	// syncFolder is for the names in a folder.
	syncFolder(path string) error
}

// realDisk is that of the machine.
type realDisk struct{}

// syncFile is fdatasync(2): the time of the last change may be lost.
func (realDisk) syncFile(file *os.File) error {
	for {
		switch err := unix.Fdatasync(int(file.Fd())); {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EINTR):
			return fmt.Errorf("bring %s to disk: %w", filepath.Base(file.Name()), err)
		}
	}
}

func (realDisk) syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("bring folder to disk: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("bring folder to disk: %w", err)
	}
	return nil
}

// syncAncestors has the way to a folder survive. Which folders of it are new
// nobody knows: an earlier life may have been killed when it had just made them.
// One that may not be read was made by somebody else.
func syncAncestors(d disk, path string) error {
	for parent := filepath.Dir(path); parent != path; path, parent = parent, filepath.Dir(parent) {
		if err := d.syncFolder(parent); err != nil {
			if errors.Is(err, fs.ErrPermission) {
				return nil
			}
			return err
		}
	}
	return nil
}
