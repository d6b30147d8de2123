package canonical

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// appendDecoded is what [Append] comes to, in the way of encoding/json: slower, and no slower
// for one document than for another of that size.
func appendDecoded(dst, document []byte, hides func(key string) bool, replacement string) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return dst, fmt.Errorf("decode document: %w", err)
	}
	if hides != nil {
		hide(value, hides, json.RawMessage(replacement))
	}
	written, err := json.Marshal(value)
	if err != nil {
		return dst, fmt.Errorf("encode document: %w", err)
	}
	return append(dst, written...), nil
}

func hide(value any, hides func(key string) bool, replacement json.RawMessage) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if hides(key) {
				value[key] = replacement
				continue
			}
			hide(inner, hides, replacement)
		}
	case []any:
		for _, inner := range value {
			hide(inner, hides, replacement)
		}
	}
}
