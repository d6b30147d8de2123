package script

import (
	"io/fs"
	"os"
	"syscall"
	"time"
)

// settleTime is how old a change has to be before a later one is sure to look different: the clock
// that the kernel stamps changes with moves on every few milliseconds, that of some file systems
// every second or two.
const settleTime = 3 * time.Second

// look is what the system says of a path. It is another one when the content of a file has changed,
// or what a folder holds: the time of that change (st_ctim of stat(2)) is the kernel's own on the
// file systems of Linux, where nobody sets it back, as tar(1) and cp -p do with the time of modification.
type look struct {
	device, inode uint64
	size          int64
	changed       syscall.Timespec
}

// lookAt returns the look of a path and the type of what is there.
func lookAt(path string) (look, uint32, error) {
	var stat syscall.Stat_t
	_, err := again(func() (int, error) { return 0, syscall.Stat(path, &stat) })
	if err != nil {
		return look{}, 0, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return lookIn(&stat), stat.Mode & syscall.S_IFMT, nil
}

// lookOf returns the look of what is open, wherever a link on the way there leads by now.
func lookOf(file *os.File) (look, error) {
	var stat syscall.Stat_t
	_, err := again(func() (int, error) { return 0, syscall.Fstat(int(file.Fd()), &stat) })
	if err != nil {
		return look{}, &fs.PathError{Op: "stat", Path: file.Name(), Err: err}
	}
	return lookIn(&stat), nil
}

func lookIn(stat *syscall.Stat_t) look {
	return look{
		device: uint64(stat.Dev), //nolint:unconvert // it is narrower on some machines
		inode:  stat.Ino, size: stat.Size, changed: stat.Ctim,
	}
}

// isSettled tells whether a change from now on is sure to look different, so that what is read now may be kept.
func (l look) isSettled(now time.Time) bool {
	return now.Sub(time.Unix(l.changed.Unix())) >= settleTime
}
