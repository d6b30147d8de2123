package vpn

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// SaveConf writes the file, atomically and readable for root alone: it holds
// the private key. A file that says the same already is not touched. It tells
// whether it has written.
func SaveConf(path string, c Conf) (changed bool, err error) {
	data := c.Bytes()
	if same, err := sameFile(path, data); same || err != nil {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, fmt.Errorf("make directory of %s: %w", path, err)
	}
	if err := replaceFile(path, data); err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	return true, nil
}

// replaceFile puts a new file with mode 0600 in the place of path.
// renameio.WriteFile would keep the mode of the old one.
func replaceFile(path string, data []byte) (err error) {
	// Beside the target, not in $TMPDIR: the temporary file holds the key too.
	f, err := renameio.NewPendingFile(path,
		renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Cleanup()) }() // nothing is left to clean after success
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

// sameFile says whether the file holds data and nobody else may read it.
func sameFile(path string, data []byte) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	if info.Size() != int64(len(data)) {
		return false, nil
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return bytes.Equal(old, data) && info.Mode().Perm()&0o077 == 0, nil
}
