// Package canonical writes JSON documents (RFC 8259) in one form, whoever wrote them: that of
// encoding/json when it writes what it has read. A document is on one line, its keys are
// sorted byte by byte, of equal keys the last counts, and numbers keep their spelling.
//
// It does so without the maps and interfaces that encoding/json needs for that: an agent
// writes two such documents for each task.
package canonical

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// ErrInvalid is the error of a document that is no JSON, or nested more than 10,000 deep.
var ErrInvalid = errors.New("no valid JSON document")

// Append adds a document to dst. What stands for the values of the keys that hides names is
// replacement, as it is; a nil hides names none. The error is [ErrInvalid].
func Append(dst, document []byte, hides func(key string) bool, replacement string) ([]byte, error) {
	if !json.Valid(document) {
		return dst, ErrInvalid
	}
	r := rewriter{rest: document, hides: hides, replacement: replacement, movable: 16*len(document) + 64<<10}
	if written := r.value(dst); r.movable >= 0 {
		return written, nil
	}
	return appendDecoded(dst, document, hides, replacement)
}

// rewriter reads a valid document to its end.
type rewriter struct {
	rest        []byte
	hides       func(key string) bool
	replacement string
	// movable is how many bytes may still be moved for members that are out of order. Who nests
	// such objects deeply has each of them moved once for each level; once it is negative, no more
	// is, and the document is to be written in another way.
	movable int
}

// next is the first byte of what comes, behind spaces.
func (r *rewriter) next() byte {
	r.rest = bytes.TrimLeft(r.rest, " \t\r\n")
	return r.rest[0]
}

// take returns as many bytes of what comes.
func (r *rewriter) take(n int) []byte {
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *rewriter) value(dst []byte) []byte {
	switch r.next() {
	case '{':
		return r.object(dst)
	case '[':
		return r.array(dst)
	case '"':
		return appendText(dst, r.text())
	}
	end := bytes.IndexAny(r.rest, ",]} \t\r\n")
	if end < 0 {
		end = len(r.rest)
	}
	return append(dst, r.take(end)...)
}

// text reads a string, with its quotes.
func (r *rewriter) text() []byte {
	end := 1
	for ; r.rest[end] != '"'; end++ {
		if r.rest[end] == '\\' {
			end++
		}
	}
	return r.take(end + 1)
}

func (r *rewriter) array(dst []byte) []byte {
	dst = append(dst, r.take(1)...)
	for r.next() != ']' {
		if r.rest[0] == ',' {
			dst = append(dst, r.take(1)...)
		}
		dst = r.value(dst)
	}
	return append(dst, r.take(1)...)
}

// member is one of an object, and where in the result it was written.
type member struct {
	key        string
	begin, end int
}

func (r *rewriter) object(dst []byte) []byte {
	dst = append(dst, r.take(1)...)
	begin := len(dst)
	members := make([]member, 0, 8)
	sorted := true
	for r.next() != '}' {
		if r.rest[0] == ',' {
			dst = append(dst, r.take(1)...)
			r.next()
		}
		m := member{begin: len(dst)}
		m.key, dst = r.member(dst)
		m.end = len(dst)
		sorted = sorted && (len(members) == 0 || members[len(members)-1].key < m.key)
		members = append(members, m)
	}
	if !sorted && r.movable >= 0 {
		r.movable -= len(dst) - begin
		dst = arrange(dst, begin, members)
	}
	return append(dst, r.take(1)...)
}

func (r *rewriter) member(dst []byte) (key string, _ []byte) {
	raw := r.text()
	key = meaning(raw)
	dst = appendText(dst, raw)
	r.next()
	dst = append(dst, r.take(1)...)
	begin := len(dst)
	dst = r.value(dst)
	if r.hides != nil && r.hides(key) {
		dst = append(dst[:begin], r.replacement...)
	}
	return key, dst
}

// arrange sorts the members that stand in dst from begin on, and drops all but the last of
// equal ones.
func arrange(dst []byte, begin int, members []member) []byte {
	slices.SortStableFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	written := bytes.Clone(dst[begin:])
	dst = dst[:begin]
	for i, m := range members {
		if i+1 < len(members) && members[i+1].key == m.key {
			continue
		}
		if len(dst) > begin {
			dst = append(dst, ',')
		}
		dst = append(dst, written[m.begin-begin:m.end-begin]...)
	}
	return dst
}

// meaning is what a string stands for.
func meaning(raw []byte) string {
	if isPlain(raw) {
		return string(raw[1 : len(raw)-1])
	}
	var meant string
	if err := json.Unmarshal(raw, &meant); err != nil {
		return string(raw) // not in a valid document
	}
	return meant
}

// appendText adds a string as encoding/json writes it, which is not always how it was written.
func appendText(dst, raw []byte) []byte {
	if isPlain(raw) {
		return append(dst, raw...)
	}
	written, err := json.Marshal(meaning(raw))
	if err != nil {
		return append(dst, raw...) // no string fails
	}
	return append(dst, written...)
}

// isPlain tells whether encoding/json writes a string just so: it has no escape, and what
// stands between its quotes needs none.
func isPlain(raw []byte) bool {
	for _, c := range raw[1 : len(raw)-1] {
		switch {
		case c < ' ', c > '~', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
