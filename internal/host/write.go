package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// Outcome tells what became of a file or a record.
type Outcome string

// What became of it: it was not there, it was different, it was so already.
const (
	Created Outcome = "created"
	Changed Outcome = "changed"
	Kept    Outcome = "kept"
)

// Changed says whether anything was written.
func (o Outcome) Changed() bool { return o != Kept && o != "" }

// Owner is a numeric user and group.
type Owner struct {
	UID, GID int
}

// Attr says with which bits and for whom a file is written.
type Attr struct {
	// Perm is the mode of a file that does not exist yet.
	Perm fs.FileMode
	// Limit, if not 0, is the most an existing file may keep of its mode.
	Limit fs.FileMode
	// Owner, if not nil, is the owner of a file that does not exist yet.
	Owner *Owner
}

// Public is the Attr of files everyone may read, Secret that of files with
// keys and passwords: an existing one loses the bits of group and others.
func Public() Attr { return Attr{Perm: 0o644} }

// Secret is the Attr of files with keys and passwords: mode 0600, also for one
// that was found with a wider mode.
func Secret() Attr { return Attr{Perm: 0o600, Limit: 0o600} }

// WriteFile gives path the content data, replacing it atomically. Mode and
// owner of an existing file are kept (see Attr), symbolic links are followed,
// and a write that would change nothing is not made. A file that cannot be
// renamed over, because a container has it bind-mounted, is written in place.
func WriteFile(path string, data []byte, attr Attr) (Outcome, error) {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		target, err = path, nil
	}
	if err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	have, err := readPrevious(target)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	want := have.attr(attr)
	if have.exists && have.mode == want.Perm && bytes.Equal(have.data, data) {
		return Kept, nil
	}
	err = replace(target, data, want)
	if errors.Is(err, syscall.EBUSY) {
		err = overwrite(target, data, want.Perm)
	}
	if err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	if have.exists {
		return Changed, nil
	}
	return Created, nil
}

// previous is what stood at a path before a write.
type previous struct {
	exists bool
	data   []byte
	mode   fs.FileMode
	owner  *Owner
}

func readPrevious(path string) (previous, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return previous{}, nil
	}
	if err != nil {
		return previous{}, err
	}
	if !info.Mode().IsRegular() {
		return previous{}, errors.New("not a regular file")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return previous{}, err
	}
	return previous{exists: true, data: data, mode: info.Mode().Perm(), owner: ownerOf(info)}, nil
}

// attr is what the file is to have after the write, Limit resolved.
func (p previous) attr(a Attr) Attr {
	if !p.exists {
		return a
	}
	mode := p.mode
	if a.Limit != 0 {
		mode &= a.Limit
	}
	return Attr{Perm: mode, Owner: p.owner}
}

// replace writes beside the file and renames, so that a reader, or a crash,
// meets the old or the new content and nothing between.
func replace(path string, data []byte, attr Attr) (err error) {
	// The temporary file must be in the same directory: $TMPDIR may be on the
	// same device and yet readable for others.
	pending, err := renameio.NewPendingFile(path,
		renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(attr.Perm))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pending.Cleanup()) }()
	if attr.Owner != nil {
		if err = pending.Chown(attr.Owner.UID, attr.Owner.GID); err != nil {
			return err
		}
	}
	if _, err = pending.Write(data); err != nil {
		return err
	}
	return pending.CloseAtomicallyReplace()
}

// overwrite keeps the inode. The content is written before the file is cut, so
// that a reader never meets an empty file.
func overwrite(path string, data []byte, perm fs.FileMode) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err = file.Write(data); err != nil {
		return err
	}
	if err = file.Truncate(int64(len(data))); err != nil {
		return err
	}
	if err = file.Chmod(perm); err != nil {
		return err
	}
	return file.Sync()
}

// ownerOf is nil where the system does not tell.
func ownerOf(info fs.FileInfo) *Owner {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return &Owner{UID: int(stat.Uid), GID: int(stat.Gid)}
}
