package schema

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// literal is a value of `const` or `enum`.
type literal struct {
	key  string // see appendKey
	text string // its JSON
}

// newLiteral prepares a value of a schema for comparison.
func newLiteral(value any) literal {
	text, err := json.Marshal(value)
	if err != nil { // a decoded value always encodes
		text = []byte(err.Error())
	}
	return literal{key: string(appendKey(nil, value)), text: string(text)}
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
