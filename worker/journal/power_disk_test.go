package journal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// inode tells files apart, whatever they are called.
type inode uint64

// image is what a disk holds: names by folder, and contents of files.
type image struct {
	names   map[string]map[string]inode
	content map[inode][]byte
}

func newImage() image { return image{map[string]map[string]inode{}, map[inode][]byte{}} }

// powerDisk knows what below its root would survive a failure of the power: what
// was synced for certain, and of the rest anything. The files are real ones.
type powerDisk struct {
	t       *testing.T
	root    string
	links   string // keeps files that lost their names, so that no other gets their number
	folders map[inode]bool
	synced  image
	// tried is what each file held when it was synced the last time, be it in vain:
	// Linux does not write again what it failed to write.
	tried map[inode][]byte
	// turn is told of each sync before it happens; it may end the life by a panic,
	// or have the sync fail.
	turn func() error
}

func newPowerDisk(t *testing.T) *powerDisk {
	t.Helper()
	dir := memory(t)
	d := &powerDisk{
		t: t, root: filepath.Join(dir, "root"), links: filepath.Join(dir, "links"),
		synced: newImage(), tried: map[inode][]byte{}, folders: map[inode]bool{},
		turn: func() error { return nil },
	}
	must(t, errors.Join(os.Mkdir(d.root, 0o700), os.Mkdir(d.links, 0o700)))
	return d
}

// memory is a folder on a file system in memory, if there is one: thousands of
// journals are opened in it.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "journal-") //nolint:usetesting // which knows no file system in memory
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// syncFile implements [disk].
func (d *powerDisk) syncFile(file *os.File) error {
	info, err := file.Stat()
	must(d.t, err)
	number := inodeOf(info)
	d.link(number, file.Name())
	now := make([]byte, info.Size())
	_, err = file.ReadAt(now, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		d.t.Fatal(err)
	}
	err = d.turn()
	if err == nil {
		d.synced.content[number] = written(d.synced.content[number], d.tried[number], now)
	}
	d.tried[number] = now
	return err
}

// written is what is on disk after a sync: the lines that have changed since the
// last one was tried.
func written(synced, tried, now []byte) []byte {
	result := make([]byte, len(now))
	copy(result, synced)
	at := 0
	for line := range bytes.Lines(now) {
		end := at + len(line)
		if end > len(tried) || !bytes.Equal(tried[at:end], line) {
			copy(result[at:], line)
		}
		at = end
	}
	return result
}

// syncFolder implements [disk].
func (d *powerDisk) syncFolder(path string) error {
	if path != d.root && !strings.HasPrefix(path, d.root+"/") {
		return nil // was there before
	}
	names := d.present().names[path]
	err := d.turn()
	if err == nil {
		d.synced.names[path] = names
	}
	return err
}

func inodeOf(info os.FileInfo) inode {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return inode(stat.Ino)
	}
	return 0
}

func (d *powerDisk) link(number inode, path string) {
	err := os.Link(path, filepath.Join(d.links, strconv.FormatUint(uint64(number), 10)))
	if err != nil && !errors.Is(err, os.ErrExist) {
		d.t.Fatal(err)
	}
}

// present is what a kill would leave, but for the lock.
func (d *powerDisk) present() image {
	now := newImage()
	must(d.t, filepath.WalkDir(d.root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == d.root || entry.Name() == "lock" {
			return err
		}
		info, err := entry.Info()
		must(d.t, err)
		folder, number := filepath.Dir(path), inodeOf(info)
		if now.names[folder] == nil {
			now.names[folder] = map[string]inode{}
		}
		now.names[folder][entry.Name()] = number
		if entry.IsDir() {
			d.folders[number] = true
		} else {
			d.link(number, path)
		}
		return nil
	}))
	files, err := os.ReadDir(d.links)
	must(d.t, err)
	for _, file := range files {
		number, err := strconv.ParseUint(file.Name(), 10, 64)
		must(d.t, err)
		now.content[inode(number)], err = os.ReadFile(filepath.Join(d.links, file.Name()))
		must(d.t, err)
	}
	return now
}

// change is one that may, or may not, have come to the disk by itself.
type change func(on image)

// pending are all changes since what was synced. Each name, the size of each file,
// and each half of a line is one; each line where that would be too many to try all.
func (d *powerDisk) pending() []change {
	const halved, most = 7, 11
	now := d.present()
	changes := d.changes(now, 2)
	if len(changes) > halved {
		changes = d.changes(now, 1)
	}
	if len(changes) > most {
		d.t.Fatalf("%d changes are pending: too many to try all", len(changes))
	}
	return changes
}

// changes since what was synced, each line in so many pieces.
func (d *powerDisk) changes(now image, pieces int) []change {
	var changes []change
	reachable := map[inode]bool{}
	for folder := range now.names {
		for name := range union(now.names[folder], d.synced.names[folder]) {
			before, after := d.synced.names[folder][name], now.names[folder][name]
			reachable[before], reachable[after] = true, true
			if before != after {
				changes = append(changes, rename(folder, name, after))
			}
		}
	}
	for _, number := range slices.Sorted(maps.Keys(now.content)) {
		if reachable[number] {
			changes = append(changes, growth(number, d.synced.content[number], now.content[number], pieces)...)
		}
	}
	return changes
}

func union(one, other map[string]inode) map[string]inode {
	all := maps.Clone(other)
	if all == nil {
		all = map[string]inode{}
	}
	maps.Copy(all, one)
	return all
}

func rename(folder, name string, to inode) change {
	return func(on image) {
		if on.names[folder] == nil {
			on.names[folder] = map[string]inode{}
		}
		if to == 0 {
			delete(on.names[folder], name)
		} else {
			on.names[folder][name] = to
		}
	}
}

// growth are the changes of a file's content.
func growth(number inode, before, after []byte, pieces int) []change {
	var changes []change
	if len(after) > len(before) {
		changes = append(changes, func(on image) {
			on.content[number] = append(slices.Clone(before), make([]byte, len(after)-len(before))...)
		})
	}
	padded := append(slices.Clone(before), make([]byte, max(0, len(after)-len(before)))...)
	at := 0
	for line := range bytes.Lines(after) {
		for piece := range slices.Chunk(line, (len(line)+pieces-1)/pieces) {
			if !bytes.Equal(padded[at:at+len(piece)], piece) {
				changes = append(changes, overwrite(number, at, piece))
			}
			at += len(piece)
		}
	}
	return changes
}

func overwrite(number inode, at int, with []byte) change {
	return func(on image) {
		if at < len(on.content[number]) {
			on.content[number] = slices.Clone(on.content[number])
			copy(on.content[number][at:], with)
		}
	}
}

// after is what the disk holds when of the pending changes those in a set came to it.
func (d *powerDisk) after(changes []change, set int) image {
	result := image{map[string]map[string]inode{}, maps.Clone(d.synced.content)}
	for folder, names := range d.synced.names {
		result.names[folder] = maps.Clone(names)
	}
	for i, c := range changes {
		if set&(1<<i) != 0 {
			c(result)
		}
	}
	return result
}

// write puts an image's folder, and what is below it, elsewhere.
func (d *powerDisk) write(m image, folder, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for name, number := range m.names[folder] {
		path := filepath.Join(to, name)
		var err error
		if d.folders[number] {
			err = d.write(m, filepath.Join(folder, name), path)
		} else {
			err = os.WriteFile(path, m.content[number], 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sum tells images apart by what can be read in them.
func (m image) sum() [sha256.Size]byte {
	var text bytes.Buffer
	for _, folder := range slices.Sorted(maps.Keys(m.names)) {
		fmt.Fprintln(&text, len(folder), filepath.Base(folder))
		for _, name := range slices.Sorted(maps.Keys(m.names[folder])) {
			number := m.names[folder][name]
			if strings.HasPrefix(name, ".") { // without what makes the name of a temporary file unique
				name = name[:strings.LastIndex(name, "-")]
			}
			fmt.Fprintf(&text, "%s %q\n", name, m.content[number])
		}
	}
	return sha256.Sum256(text.Bytes())
}
