package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// logSize is what a log has space for before it is full: some thousand records.
const logSize = 512 << 10

// log is a pair of files, one of which is written to.
type log struct {
	files      [2]*os.File
	current    int
	instance   string
	generation int64
	end        int64 // where the next record goes
	full       int64 // where the other file takes over
}

func logPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("log.%d", number))
}

// openLog opens both files, which are made if they are not there.
func openLog(dir string) (*log, error) {
	l := &log{}
	for number := range l.files {
		file, err := openReserved(logPath(dir, number))
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.files[number] = file
	}
	return l, nil
}

// openReserved opens a file in which there is space for a log.
func openReserved(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := reserve(file); err != nil {
		return nil, errors.Join(fmt.Errorf("make log: %w", err), file.Close())
	}
	return file, nil
}

// reserve fills a file up with zeros.
func reserve(file *os.File) error {
	info, err := file.Stat()
	if err != nil || info.Size() >= logSize {
		return err
	}
	if _, err := file.WriteAt(make([]byte, logSize-info.Size()), info.Size()); err != nil {
		return err
	}
	return errors.Join(file.Sync(), syncDir(filepath.Dir(file.Name())))
}

// begin makes the other file the log, with what still counts of the last.
func (l *log) begin(live []record) error {
	next := &log{
		files: l.files, current: 1 - l.current, instance: l.instance, generation: l.generation + 1,
	}
	head := record{Kind: headKind, Instance: l.instance, Generation: next.generation, Live: len(live)}
	line, err := head.encode(headGeneration)
	if err != nil {
		return err
	}
	if err := next.put(line); err != nil {
		return err
	}
	for _, r := range live {
		if err := next.append(r); err != nil {
			return err
		}
	}
	if err := next.sync(); err != nil {
		return err
	}
	next.full = max(logSize, 2*next.end)
	*l = *next
	return nil
}

// append writes a record behind the others.
func (l *log) append(r record) error {
	line, err := r.encode(l.generation)
	if err != nil {
		return err
	}
	return l.put(line)
}

func (l *log) put(line []byte) error {
	if _, err := l.files[l.current].WriteAt(line, l.end); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	l.end += int64(len(line))
	return nil
}

// sync brings to disk what was written.
func (l *log) sync() error { return syncFile(l.files[l.current]) }

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
