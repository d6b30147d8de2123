package journal

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRealDisk: it asks the system, which tells that a pipe, and a folder of
// processes, are on no disk.
func TestRealDisk(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	must(t, err)
	if err := (realDisk{}).syncFile(writer); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a pipe: %v", err)
	}
	must(t, errors.Join(reader.Close(), writer.Close()))
	if err := (realDisk{}).syncFolder("/proc/self"); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a folder of processes: %v", err)
	}
	must(t, realDisk{}.syncFolder(t.TempDir()))
}

// TestAncestors: a new journal's folders are brought to disk up to the root, or to
// one that the agent may not read, and any other trouble is told.
func TestAncestors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trouble error
		synced  int
		fails   bool
	}{
		"all":           {nil, 4, false},
		"not permitted": {os.ErrPermission, 2, false},
		"broken":        {errDisk, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &countingDisk{failAt: 2, trouble: c.trouble}
			if err := syncAncestors(d, "/a/b/c/d"); (err != nil) != c.fails || len(d.folders) != c.synced {
				t.Errorf("synced %v, %v", d.folders, err)
			}
		})
	}
}

// countingDisk notes which folders were brought to disk.
type countingDisk struct {
	noDisk

	folders []string
	failAt  int
	trouble error
}

func (d *countingDisk) syncFolder(path string) error {
	d.folders = append(d.folders, path)
	if len(d.folders) == d.failAt {
		return d.trouble
	}
	return nil
}
