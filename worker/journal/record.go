package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"

	"cluster-agent/worker"
)

// record is one line of a log.
type record struct {
	Kind   string `json:"kind"`
	Key    string `json:"key,omitempty"`
	ID     string `json:"id,omitempty"`
	Action string `json:"action,omitempty"`
	Begun  int    `json:"begun,omitempty"`
	Boot   string `json:"boot,omitempty"`
	Step   string `json:"step,omitempty"`
	Count  int    `json:"count,omitempty"` // of equal tasks, of which one began; 0 is 1
	// Synced is up to where its log was on disk when the record was made; 0 of those that came from
	// the log before, and of all of an earlier version.
	Synced int `json:"synced,omitempty"`
	// Of the end of a task: when, in seconds since 1970, and what it came to, see brief.
	At     int64          `json:"at,omitempty"`
	Result *worker.Result `json:"result,omitempty"`
	// Of the first line of a log.
	Instance   string `json:"instance,omitempty"`
	Generation int64  `json:"generation,omitempty"`
	Salt       int64  `json:"salt,omitempty"`
	Live       int    `json:"live,omitempty"` // how many records follow that came from the log before
	Size       int    `json:"size,omitempty"` // that the file had on disk before this line; 0: an earlier version's
	Home       home   `json:"home,omitzero"`  // of this log; an earlier version's does not say it
}

// The kinds of records.
const (
	headKind  = "log"
	beginKind = "begin"
	stepKind  = "step"
	endKind   = "end"
)

// headSeal is what the checksum of a log's first line covers: that line tells the
// seal of the others.
const headSeal = 0

// seal is a number that the checksums of a log cover. Its generation alone does not
// do: the same may have been begun before, when the power failed.
func (r record) seal() int64 { return r.Generation + r.Salt }

// checksumLength is that of a CRC-32 in hexadecimal.
const checksumLength = 8

var errNoRecord = errors.New("no record")

// encode adds the line of a record.
func (r record) encode(lines []byte, seal int64) ([]byte, error) {
	const blank = "00000000 "
	begin := len(lines)
	lines = append(lines, blank...)
	text := len(lines)
	lines, err := r.appendJSON(lines)
	if err != nil {
		return nil, err
	}
	var sum [checksumLength / 2]byte
	binary.BigEndian.PutUint32(sum[:], checksum(lines[text:], seal))
	hex.Encode(lines[begin:], sum[:])
	return append(lines, '\n'), nil
}

// appendJSON writes the kinds that each task needs by hand: encoding/json takes
// longer than all the rest of a record.
func (r record) appendJSON(lines []byte) ([]byte, error) {
	if r.Kind == headKind || !isPlain(r.ID) || !isPlain(r.Action) || !isPlain(r.Step) || !isSilent(r.Result) {
		text, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encode record: %w", err)
		}
		return append(lines, text...), nil
	}
	lines = append(lines, `{"kind":"`...)
	lines = append(lines, r.Kind...)
	for _, field := range [...]struct{ name, value string }{
		{"key", r.Key}, {"id", r.ID}, {"action", r.Action}, {"boot", r.Boot}, {"step", r.Step},
	} {
		if field.value != "" {
			lines = append(append(append(lines, `","`...), field.name...), `":"`...)
			lines = append(lines, field.value...)
		}
	}
	lines = append(lines, '"')
	if r.Begun != 0 {
		lines = strconv.AppendInt(append(lines, `,"begun":`...), int64(r.Begun), 10)
	}
	if r.Count > 1 {
		lines = strconv.AppendInt(append(lines, `,"count":`...), int64(r.Count), 10)
	}
	if r.Synced != 0 {
		lines = strconv.AppendInt(append(lines, `,"synced":`...), int64(r.Synced), 10)
	}
	if r.At != 0 {
		lines = strconv.AppendInt(append(lines, `,"at":`...), r.At, 10)
	}
	if r.Result != nil {
		lines = strconv.AppendInt(append(lines, `,"result":{"ExitCode":`...), int64(r.Result.ExitCode), 10)
		lines = appendProgress(append(lines, `,"Final":`...), r.Result.Final)
		if len(r.Result.Held) == 1 {
			lines = append(appendProgress(append(lines, `,"Held":[`...), r.Result.Held[0]), ']')
		}
		lines = append(lines, '}')
	}
	return append(lines, '}'), nil
}

func appendProgress(lines []byte, p worker.Progress) []byte {
	lines = append(append(lines, `{"status":"`...), p.Status...)
	return append(strconv.AppendInt(append(lines, `","progress":`...), int64(p.Percent), 10), '}')
}

// isSilent tells whether a result, if there is one, is an exit code, a final status, at most
// one report before it, and no more.
func isSilent(r *worker.Result) bool {
	if r == nil {
		return true
	}
	if len(r.Held) > 1 || len(r.Held) == 1 && !isPlain(string(r.Held[0].Status)) {
		return false
	}
	return len(r.Output)+len(r.Error)+len(r.Announcements) == 0 && !r.Builtin && !r.OnReplica && isPlain(string(r.Final.Status))
}

// isPlain tells whether a text stands in JSON as it is.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func checksum(text []byte, seal int64) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(strconv.AppendInt(nil, seal, 10), table), table, text)
}

// decode reads a line without its end.
func decode(line []byte, seal int64) (record, error) {
	sum, text, found := bytes.Cut(line, []byte(" "))
	if !found || len(sum) != checksumLength {
		return record{}, errNoRecord
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || uint32(want) != checksum(text, seal) {
		return record{}, errNoRecord
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, fmt.Errorf("decode record: %w", err)
	}
	return r, nil
}
