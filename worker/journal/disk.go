package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"cluster-agent/internal/aio"
)

// disk makes what was written survive a failure of the power. Tests have one of
// their own, which knows what would be lost.
type disk interface {
	// syncFile is for the content of a file, and its size. busy says that the processors have
	// other things to do meanwhile; then it is asked once at a time.
	syncFile(file *os.File, busy bool) error
	// syncFolder is for the names in a folder.
	syncFolder(path string) error
	close() error
}

// realDisk is that of the machine.
type realDisk struct {
	queue *aio.Queue // as soon as somebody was busy
	noAIO bool       // it did not work
}

// syncFile is fdatasync(2): the time of the last change may be lost. By asynchronous I/O it takes a
// little longer, and a seventh less of the processor.
func (d *realDisk) syncFile(file *os.File, busy bool) error {
	if busy && !d.noAIO {
		err := d.syncAsync(file)
		d.noAIO = err != nil // whatever it was: from now on the plain way tells
		if _, refused := errors.AsType[*aio.RefusedError](err); !refused {
			return named(file, err)
		}
	}
	for {
		if err := unix.Fdatasync(int(file.Fd())); !errors.Is(err, unix.EINTR) {
			return named(file, err)
		}
	}
}

func named(file *os.File, err error) error {
	if err != nil {
		return fmt.Errorf("bring %s to disk: %w", filepath.Base(file.Name()), err)
	}
	return nil
}

func (d *realDisk) syncAsync(file *os.File) (err error) {
	if d.queue == nil {
		if d.queue, err = aio.Open(); err != nil {
			return err
		}
	}
	return d.queue.Fdatasync(file)
}

func (d *realDisk) close() error {
	if d.queue == nil {
		return nil
	}
	return d.queue.Close()
}

func (*realDisk) syncFolder(path string) error {
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
