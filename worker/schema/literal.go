package schema

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// literals are the values of `const` or `enum`.
type literals struct {
	keys map[string]struct{} // see appendKey
	text string              // their JSON, for people
}

// newLiterals prepares values of a schema for comparison.
func newLiterals(values ...any) *literals {
	l := &literals{keys: make(map[string]struct{}, len(values))}
	texts := make([]string, len(values))
	for i, value := range values {
		text, err := json.Marshal(value)
		if err != nil { // a decoded value always encodes
			text = []byte(err.Error())
		}
		texts[i] = string(text)
		l.keys[string(appendKey(nil, value))] = struct{}{}
	}
	l.text = strings.Join(texts, ", ")
	return l
}

// has tells whether a value with this key is one of them.
func (l *literals) has(key string) bool {
	_, found := l.keys[key]
	return found
}

// appendKey appends a text that equal JSON values, and only those, have in
// common: the order of an object's members and the spelling of numbers, 1 or
// 1.0, do not count. Numbers count to the last digit: as float64, two long
// identifiers that differ would be the same.
func appendKey(key []byte, value any) []byte {
	switch value := value.(type) {
	case nil:
		return append(key, 'n')
	case bool:
		return strconv.AppendBool(key, value)
	case json.Number:
		return parseDecimal(value).appendKey(append(key, '#'))
	case string:
		key = strconv.AppendInt(append(key, '"'), int64(len(value)), 10)
		return append(append(key, ':'), value...)
	case []any:
		key = append(key, '[')
		for _, item := range value {
			key = append(appendKey(key, item), ',')
		}
		return append(key, ']')
	case map[string]any:
		key = append(key, '{')
		for _, name := range slices.Sorted(maps.Keys(value)) {
			key = append(appendKey(key, name), '=')
			key = append(appendKey(key, value[name]), ',')
		}
		return append(key, '}')
	}
	return key
}
