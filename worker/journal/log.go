package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// logSize is what a log has space for, as a rule: some thousand records.
const logSize = 512 << 10

// log is a pair of files, one of which is written to. They are written with system
// calls, and not through a map, which on a full disk of some file systems, or when
// somebody cuts a file off, ends the process with SIGBUS.
type log struct {
	disk       disk
	size       int // that each file has at least
	files      [2]*os.File
	sizes      [2]int  // on disk, but for what openLog found
	homes      [2]home // of what is begun in them
	current    int
	instance   string
	generation int64
	newSalt    func() int64
	seal       int64 // of the one that is written to
	end        int   // where the next record goes
	room       int   // up to where they may go
	synced     int   // up to where it is on disk, and all that was written before
	spoilt     bool  // nothing may be added
}

func logPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("log.%d", number))
}

// openLog opens both files, which are made if they are not there. That they have
// these names is on disk then, whoever made them.
func openLog(dir string, o options) (*log, error) {
	l := &log{disk: o.disk, size: o.logSize, newSalt: o.newSalt}
	for number := range l.files {
		var err error
		if l.files[number], err = os.OpenFile(logPath(dir, number), os.O_RDWR|os.O_CREATE, 0o600); err == nil {
			l.sizes[number], err = sizeOfFile(l.files[number])
		}
		if err == nil {
			l.homes[number], err = o.home(l.files[number])
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open log: %w", err), l.close())
		}
	}
	if err := l.disk.syncFolder(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("open log: %w", err), l.close())
	}
	return l, nil
}

// secure has a file on disk with what it should have at least, be it that an earlier life, which
// was killed, has not got there.
func (l *log) secure(number int) error {
	if err := l.reserve(number, l.size); err != nil {
		return err
	}
	return l.disk.syncFile(l.files[number])
}

func sizeOfFile(file *os.File) (int, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return int(info.Size()), nil
}

// reserve fills a file up with zeros to a size. On most file systems space that
// was written once is there: a disk that becomes full does not take it back. The size is
// on disk before anything counts that is written there: a shorter file was cut off.
func (l *log) reserve(number, size int) error {
	file := l.files[number]
	present, err := sizeOfFile(file)
	if err != nil {
		return err
	}
	present = min(present, l.sizes[number]) // what could not be synced is written anew
	if size <= present {
		return nil
	}
	if _, err = file.WriteAt(make([]byte, size-present), int64(present)); err == nil {
		err = l.disk.syncFile(file)
	}
	if err == nil {
		l.sizes[number] = size
	}
	return err
}

// put writes into a file.
func (l *log) put(number int, content []byte, at int) error {
	if _, err := l.files[number].WriteAt(content, int64(at)); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// headRoom is more than the first line of a log has, in bytes.
const headRoom = 320

// begin makes the other file the log, with what still counts of the last. Its first line stands at
// the file's end, too: if a disk damages the first one, it is known all the same that there is a newer log.
func (l *log) begin(live []record) error {
	number, generation := 1-l.current, l.generation+1
	head := record{Kind: headKind, Instance: l.instance, Generation: generation, Salt: l.newSalt(), Live: len(live), Home: l.homes[number]}
	var lines []byte
	var err error
	for _, r := range live {
		if lines, err = r.encode(lines, head.seal()); err != nil {
			return err
		}
	}
	if err = l.reserve(number, max(l.size, 2*(len(lines)+headRoom))); err != nil {
		return fmt.Errorf("reserve space for journal: %w", err)
	}
	head.Size = l.sizes[number]
	first, err := head.encode(nil, headSeal)
	if err != nil {
		return err
	}
	content := slices.Concat(first, lines)
	room := head.Size - len(first) - 1
	err = l.put(number, content, 0)
	if err == nil {
		err = l.put(number, append([]byte("\n"), first...), room)
	}
	if err == nil {
		err = l.disk.syncFile(l.files[number])
	}
	if err != nil {
		// It may be on disk all the same, and count: nothing may be added to the older one.
		l.giveUp()
		return err
	}
	l.current, l.generation, l.seal, l.spoilt = number, generation, head.seal(), false
	l.end, l.synced, l.room = len(content), len(content), room
	return nil
}

// giveUp has whoever writes next begin another log. What failed to get to disk once
// may never get there, whatever later syncs say, and hides what comes behind it.
func (l *log) giveUp() { l.spoilt = true }

// fits tells whether lines have space behind the records.
func (l *log) fits(lines []byte) bool { return !l.spoilt && l.end+len(lines) <= l.room }

// encode adds the line of a record that is to be appended.
func (l *log) encode(lines []byte, r record) ([]byte, error) {
	r.Synced = l.synced
	return r.encode(lines, l.seal)
}

// append writes lines behind the records. What fails may be tried again.
func (l *log) append(lines []byte) error {
	if err := l.put(l.current, lines, l.end); err != nil {
		return err
	}
	l.end += len(lines)
	return nil
}

func (l *log) close() error {
	var errs []error
	for _, file := range l.files {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}
