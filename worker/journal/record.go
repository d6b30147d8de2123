package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
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
	// Of the first line of a log.
	Instance   string `json:"instance,omitempty"`
	Generation int64  `json:"generation,omitempty"`
	Live       int    `json:"live,omitempty"` // how many records follow that came from the log before
}

// The kinds of records.
const (
	headKind  = "log"
	beginKind = "begin"
	stepKind  = "step"
	endKind   = "end"
)

// generation under which the first line of a log is encoded: it tells that of the others.
const headGeneration = 0

// checksumLength is that of a CRC-32 in hexadecimal.
const checksumLength = 8

var errNoRecord = errors.New("no record")

// encode makes the line of a record.
func (r record) encode(generation int64) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	line := fmt.Appendf(make([]byte, 0, len(text)+checksumLength+2), "%0*x ", checksumLength, checksum(text, generation))
	return append(append(line, text...), '\n'), nil
}

func checksum(text []byte, generation int64) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(strconv.AppendInt(nil, generation, 10), table), table, text)
}

// decode reads a line without its end.
func decode(line []byte, generation int64) (record, error) {
	sum, text, found := bytes.Cut(line, []byte(" "))
	if !found || len(sum) != checksumLength {
		return record{}, errNoRecord
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || uint32(want) != checksum(text, generation) {
		return record{}, errNoRecord
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, fmt.Errorf("decode record: %w", err)
	}
	return r, nil
}
