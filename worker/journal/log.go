package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	sizes      [2]int
	current    int
	instance   string
	generation int64
	newSalt    func() int64
	seal       int64 // of the one that is written to
	end        int   // where the next record goes
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
			err = l.reserve(number, l.size)
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

// reserve fills a file up with zeros to a size. On most file systems space that
// was written once is there: a disk that becomes full does not take it back.
func (l *log) reserve(number, size int) error {
	file := l.files[number]
	info, err := file.Stat()
	if err != nil {
		return err
	}
	l.sizes[number] = max(size, int(info.Size()))
	missing := int64(size) - info.Size()
	if missing <= 0 {
		return nil
	}
	_, err = file.WriteAt(make([]byte, missing), info.Size())
	return err
}

// put writes into a file.
func (l *log) put(number int, content []byte, at int) error {
	if _, err := l.files[number].WriteAt(content, int64(at)); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// begin makes the other file the log, with what still counts of the last.
func (l *log) begin(live []record) error {
	number, generation := 1-l.current, l.generation+1
	head := record{Kind: headKind, Instance: l.instance, Generation: generation, Salt: l.newSalt(), Live: len(live)}
	content, err := head.encode(nil, headSeal)
	for _, r := range live {
		if err == nil {
			content, err = r.encode(content, head.seal())
		}
	}
	if err == nil {
		err = l.reserve(number, max(l.size, 2*len(content)))
	}
	if err != nil {
		return err
	}
	if err = l.put(number, content, 0); err == nil {
		err = l.disk.syncFile(l.files[number])
	}
	if err != nil {
		// It may be on disk all the same, and count: nothing may be added to the older one.
		l.giveUp()
		return err
	}
	l.current, l.generation, l.seal, l.end, l.spoilt = number, generation, head.seal(), len(content), false
	return nil
}

// giveUp has whoever writes next begin another log. What failed to get to disk once
// may never get there, whatever later syncs say, and hides what comes behind it.
func (l *log) giveUp() { l.spoilt = true }

// fits tells whether lines have space behind the records.
func (l *log) fits(lines []byte) bool { return !l.spoilt && l.end+len(lines) <= l.sizes[l.current] }

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

// read reads one of the files. An error means that it is no log, or one whose
// beginning was cut off.
func (l *log) read(number int) (head record, records []record, err error) {
	path := l.files[number].Name()
	content, err := os.ReadFile(path)
	if err != nil {
		return record{}, nil, fmt.Errorf("read log: %w", err)
	}
	line, rest, _ := bytes.Cut(content, []byte("\n"))
	if head, err = decode(line, headSeal); err != nil {
		return record{}, nil, fmt.Errorf("%s: first line: %w", path, err)
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		r, err := decode(line, head.seal())
		switch {
		case err == nil:
			records = append(records, r)
		case len(records) < head.Live:
			rest = nil
		default: // behind the end, what an earlier log left there; else damaged, which costs that task alone
		}
	}
	if len(records) < head.Live {
		return record{}, nil, fmt.Errorf("%s: %d of %d records: was not completed", path, len(records), head.Live)
	}
	return head, records, nil
}

// isBlank tells whether a file was never written to.
func (l *log) isBlank(number int) bool {
	first := make([]byte, 1)
	_, err := l.files[number].ReadAt(first, 0)
	return err == nil && first[0] == 0
}
