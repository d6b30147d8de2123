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
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fmt.Errorf("make directory of %s: %w", path, err)
	}
	// Beside the target, not in $TMPDIR: the temporary file holds the key too.
	err = renameio.WriteFile(path, data, 0o600, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	return true, nil
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
	old, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return bytes.Equal(old, data) && info.Mode().Perm()&0o077 == 0, nil
}
