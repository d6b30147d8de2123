package journal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// home is where a log was begun: on which machine, and in which file. A log that is read elsewhere
// is a copy. What is not known is zero, and not compared.
//
// A file is known by when it was born. Neither cp nor tar nor rsync can set that, and it stays when the
// file is written to or renamed, and when the machine starts again. The number of its inode is not as
// good: ext4 gives that of a file that was removed to the next one, so that a backup may have the numbers
// of the files whose place it takes; and some file systems number anew when they are mounted. It has to do
// where the kernel or the file system tells no birth. The device may have another number after a restart,
// and the folder another name: neither says anything.
//
// The same files are not recognised as a copy: those of a machine that was cloned with its id, or of a file
// system that was cloned on one, or taken back to a snapshot, and those that a backup was written into.
//
// A false alarm costs that a task which was in progress, and not started, is not run, but ends as interrupted
// after three intervals; that one which Redis has lost meanwhile gets no result; and that how often a repeatable
// one was begun is not known any more. There is one when a folder is moved to another file system, or its disk to another
// machine, which cannot be told from a copy; with each start of a machine that always gets another id, or of
// an agent on a file system that has neither births nor lasting inode numbers, as some in userspace.
type home struct {
	Machine string `json:"machine,omitempty"` // a hash of its id
	Born    int64  `json:"born,omitempty"`    // the file, in nanoseconds since 1970
	Inode   uint64 `json:"inode,omitempty"`
}

var (
	errOtherMachine = errors.New("was begun on another machine")
	errOtherFile    = errors.New("was begun in another file")
)

// verify tells whether a log that was begun at home is read elsewhere.
func (h home) verify(here home) error {
	switch {
	case differ(h.Machine, here.Machine):
		return errOtherMachine
	case h.Born != 0 && here.Born != 0:
		if h.Born != here.Born {
			return errOtherFile
		}
	case differ(h.Inode, here.Inode):
		return errOtherFile
	}
	return nil
}

// differ tells whether two are known and not the same.
func differ[T comparable](one, other T) bool {
	var unknown T
	return one != unknown && other != unknown && one != other
}

// homeOf is that of a log in a file, on the machine whose id another file has.
func homeOf(file *os.File, machineFile string) (home, error) {
	info, err := file.Stat()
	if err != nil {
		return home{}, fmt.Errorf("ask for the file's inode: %w", err)
	}
	h := home{Machine: machineIn(machineFile), Born: birthOf(file)}
	if status, ok := info.Sys().(*syscall.Stat_t); ok {
		h.Inode = status.Ino
	}
	return h, nil
}

// birthOf is 0 where the kernel or the file system does not tell it, as NFS, or ext4 with inodes of 128 bytes.
func birthOf(file *os.File) int64 {
	var status unix.Statx_t
	err := unix.Statx(int(file.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &status)
	if err != nil || status.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return time.Unix(status.Btime.Sec, int64(status.Btime.Nsec)).UnixNano()
}

// machineFile holds the id of the machine, machine-id(5).
const machineFile = "/etc/machine-id"

// machineIDLength is that of an id. Where there is none yet, its file may be empty, or say so in another word.
const machineIDLength = 32

// machineIn is a hash of the id in such a file, as machine-id(5) wants it: from what is
// written into files, and copied, nobody is to learn the id.
func machineIn(path string) string {
	text, err := os.ReadFile(path)
	id := strings.TrimSpace(string(text))
	if err != nil || len(id) != machineIDLength {
		return ""
	}
	hash := hmac.New(sha256.New, []byte(id))
	hash.Write([]byte("cluster-agent journal"))
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
