package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// logSize is what a log has space for, as a rule: some thousand records.
const logSize = 512 << 10

// log is a pair of files, one of which is written to. They are written with system
// calls, and not through a map, which on a full disk of some file systems, or when
// somebody cuts a file off, ends the process with SIGBUS.
type log struct {
	files      [2]*os.File
	sizes      [2]int
	current    int
	instance   string
	generation int64
	end        int // where the next record goes
}

func logPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("log.%d", number))
}

// openLog opens both files, which are made if they are not there.
func openLog(dir string) (*log, error) {
	l := &log{}
	for number := range l.files {
		var err error
		if l.files[number], err = os.OpenFile(logPath(dir, number), os.O_RDWR|os.O_CREATE, 0o600); err == nil {
			err = l.reserve(number, logSize)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open log: %w", err), l.close())
		}
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
	return errors.Join(err, file.Sync(), syncDir(filepath.Dir(file.Name())))
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
	head := record{Kind: headKind, Instance: l.instance, Generation: generation, Live: len(live)}
	content, err := head.encode(nil, headGeneration)
	for _, r := range live {
		if err == nil {
			content, err = r.encode(content, generation)
		}
	}
	if err == nil {
		err = l.reserve(number, max(logSize, 2*len(content)))
	}
	if err != nil {
		return err
	}
	if err = l.put(number, content, 0); err == nil {
		err = syncFile(l.files[number])
	}
	if err != nil {
		// What follows goes to the other file, which has to be the newer one.
		return errors.Join(err, l.put(number, []byte{0}, 0))
	}
	l.current, l.generation, l.end = number, generation, len(content)
	return nil
}

// append writes a record behind the others; false if it has no space.
func (l *log) append(line []byte) (fits bool, err error) {
	if l.end+len(line) > l.sizes[l.current] {
		return false, nil
	}
	if err := l.put(l.current, line, l.end); err != nil {
		return true, err
	}
	l.end += len(line)
	return true, nil
}

// syncFile brings to disk what was written.
func syncFile(file *os.File) error {
	for {
		err := unix.Fdatasync(int(file.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("bring journal to disk: %w", err)
		}
	}
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
	if head, err = decode(line, headGeneration); err != nil {
		return record{}, nil, fmt.Errorf("%s: first line: %w", path, err)
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		r, err := decode(line, head.Generation)
		if err != nil {
			break // the end, or what an earlier generation left behind it
		}
		records = append(records, r)
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
