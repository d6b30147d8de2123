package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// history is what one of the files tells.
type history struct {
	head    record
	records []record // those that can be read
	damage  error    // something that was on disk is not there any more
}

// read reads one of the files. An error means that it is no log, or one whose beginning was not
// completed, so that nothing was ever added to it.
//
// Not every line that is no record is damage. What was written after the last sync may be missing
// after a failure of the power, any part of it, and whoever waited for that was told nothing yet. But
// each record says up to where the log was on disk when it was made: whatever stood before that
// place had got there, and what is missing of it has been promised.
func (l *log) read(number int) (history, error) {
	path := l.files[number].Name()
	content, err := os.ReadFile(path)
	if err != nil {
		return history{}, fmt.Errorf("read log: %w", err)
	}
	head, at, damaged := findHead(content)
	if head.Kind == "" {
		return history{}, fmt.Errorf("%s: first line: %w", path, damaged)
	}
	found := scan(content[at:], at, head.seal())
	h := history{head: head, records: found.records, damage: errors.Join(found.damage(), cutOff(len(content), l.sizeOf(head)))}
	switch {
	case h.damage != nil:
		h.damage = fmt.Errorf("%s: %w", path, h.damage)
	case damaged != nil: // it need not have got to disk as long as no record was added
		return history{}, fmt.Errorf("%s: first line: %w", path, damaged)
	case found.whole < head.Live:
		return history{}, fmt.Errorf("%s: %d of %d records: was not completed", path, found.whole, head.Live)
	}
	return h, nil
}

// findHead finds the first line of a log, or, if that is damaged, what the file's end has of it, and
// where records are to be looked for. There is none in what is no log.
func findHead(content []byte) (head record, at int, damaged error) {
	line, _, _ := bytes.Cut(content, []byte("\n"))
	if head, damaged = decode(line, headSeal); damaged == nil {
		return head, min(len(line)+1, len(content)), nil
	}
	copied := bytes.TrimSuffix(content, []byte("\n"))
	copied = copied[bytes.LastIndexByte(copied, '\n')+1:]
	if second, err := decode(copied, headSeal); err == nil {
		return second, 0, damaged
	}
	return record{}, 0, damaged
}

// scanned is what stands in a log behind its first line.
type scanned struct {
	records []record
	whole   int // how many of them stand before the first line that is none
	hole    int // where that begins
	synced  int // up to where all was on disk, as far as is known
}

// scan reads lines, the first of which begins at a place of the file.
func scan(lines []byte, at int, seal int64) scanned {
	s := scanned{hole: -1}
	for len(lines) > 0 {
		line, rest, _ := bytes.Cut(lines, []byte("\n"))
		r, err := decode(line, seal)
		switch {
		case err == nil:
			s.records, s.synced = append(s.records, r), max(s.synced, r.Synced)
		case s.hole < 0: // the end, behind which is what an earlier log left there; or damage, which costs that task alone
			s.hole, s.whole = at, len(s.records)
		}
		at, lines = at+len(line)+1, rest
	}
	if s.hole < 0 {
		s.hole, s.whole = at, len(s.records)
	}
	return s
}

// damage tells what is missing of that which was on disk.
func (s scanned) damage() error {
	if s.hole >= s.synced {
		return nil
	}
	return fmt.Errorf("damaged at byte %d, %d bytes had been brought to disk", s.hole, s.synced)
}

// sizeOf is what a log's file had on disk before the log began. Earlier versions do not say it:
// as much as usual.
func (l *log) sizeOf(head record) int {
	if head.Size > 0 {
		return head.Size
	}
	return l.size
}

// cutOff tells whether a file is shorter than it was.
func cutOff(length, size int) error {
	if length >= size {
		return nil
	}
	return fmt.Errorf("cut off: %d of %d bytes are there", length, size)
}

var errBlank = errors.New("blank, and had been written to")

// otherLost tells whether the file that is not the log was cut off, or holds nothing any more. If it cannot
// be read, it may have been the newer one. Both had their size on disk before either of them became a log.
// Each log after the first one follows one in the other file, and nothing is written over that one's
// first byte but that of another log. The first one is never in use, but for that of an earlier version.
func (l *log) otherLost(head record) error {
	number := 1 - l.current
	err := cutOff(l.sizes[number], min(l.size, l.sizeOf(head)))
	if err == nil && head.Size > 0 && head.Generation > 1 && l.isBlank(number) {
		err = errBlank
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.files[number].Name(), err)
	}
	return nil
}

// isBlank tells whether a file was never written to. One may be empty still, if its life was killed
// right away; but log.1, which becomes the first log, has its size before the other one.
func (l *log) isBlank(number int) bool {
	first := make([]byte, 1)
	_, err := l.files[number].ReadAt(first, 0)
	if errors.Is(err, io.EOF) {
		return number == 0 || l.sizes[0] < l.size
	}
	return err == nil && first[0] == 0
}
